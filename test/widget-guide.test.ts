import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { identityOfRequest, verifyWidgetRequest } from '../src/channels/widget/identity-token.ts';

const guide = readFileSync(new URL('../docs/guides/connect-widget.md', import.meta.url), 'utf8');
const secret = 'a secret / of the + site = that is long enough';

/** The examples of the guide, each with how to run it and what makes a token with it. */
const examples = [
  {
    language: 'js',
    program: process.execPath,
    run: (code: string) => [
      '--input-type=module',
      '-e',
      `${code}\nprocess.stdout.write(konstructToken(${JSON.stringify(secret)}, 'mara@acme', 'Mära'));`,
    ],
  },
  {
    language: 'python',
    program: 'python3',
    run: (code: string) => [
      '-c',
      `${code}\nprint(konstruct_token(${JSON.stringify(secret)}, 'mara@acme', 'M\\u00e4ra'))`,
    ],
  },
  {
    language: 'php',
    program: 'php',
    run: (code: string) => ['-r', `${code}\necho konstruct_token('${secret}', 'mara@acme', 'Mära');`],
  },
];

it.each(examples)(
  'the guide’s example in $language makes a token that is believed',
  ({ language, program, run }) => {
    const code = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(guide)?.[1];
    expect(code).toContain('onstruct');
    // Node is always there; the others are tried where they are.
    if (language !== 'js' && spawnSync(program, ['--version']).error) return;
    const token = execFileSync(program, run(code ?? ''), { encoding: 'utf8' }).trim();
    const request = {
      path: '/widget',
      headers: { authorization: `Bearer ${token}` },
      body: Buffer.alloc(0),
    };
    verifyWidgetRequest(request, secret, Date.now());
    const identity = identityOfRequest(request);
    expect(identity).toMatchObject({ subject: 'mara@acme', name: 'Mära', isAnonymous: false });
    expect((identity?.expiresAtMs ?? 0) - Date.now()).toBeGreaterThan(590_000);
  },
);
