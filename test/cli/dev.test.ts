import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import type {
  ControlMessage,
  JourneysResponse,
  MessageResponse,
  MessagesResponse,
  WorkspacesResponse,
} from '../../src/simulator/control-api.ts';
import { bareEnvironment } from '../support/bare-environment.ts';
import { until } from '../support/conversation.ts';
import { konstructMain, runKonstruct } from '../support/run-konstruct.ts';
import { scratchParent } from '../support/scratch-parents.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Dev {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output(): string;
  url(): string;
}

let dataDir: string;
const running: Dev[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(scratchParent(), 'konstruct-dev-'));
});
afterEach(async () => {
  for (const { child, exited } of running.splice(0)) {
    child.kill('SIGTERM');
    await exited;
  }
  rmSync(dataDir, { recursive: true, force: true });
});

function start(
  [program, ...args]: readonly [string, ...string[]] = [process.execPath, konstructMain, 'dev'],
  more: Readonly<Record<string, string>> = {},
): Dev {
  const child = spawn(program, args, {
    cwd: root,
    env: { ...bareEnvironment(), HOME: process.env.HOME, PORT: '0', KONSTRUCT_DATA_DIR: dataDir, ...more },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const dev: Dev = {
    child,
    exited: once(child, 'exit').then(([code]) => code as number | null),
    output: () => output,
    url: () => /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? '',
  };
  running.push(dev);
  return dev;
}

async function started(
  command?: readonly [string, ...string[]],
  env?: Readonly<Record<string, string>>,
): Promise<Dev> {
  const dev = start(command, env);
  await until('konstruct dev runs', () => dev.output().includes('Ctrl-C stops it.'), 60_000);
  return dev;
}

async function json<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  expect(response.ok, `${url}: ${response.status}`).toBe(true);
  return (await response.json()) as T;
}

/** Asks as the page does, and waits for the answer. */
async function askAda(url: string, text: string): Promise<ControlMessage> {
  const { workspaces } = await json<WorkspacesResponse>(`${url}/simulator/control/workspaces`);
  const acme = workspaces.find(({ name }) => name === 'Acme');
  const channel = acme?.channels.find(({ name }) => name === 'general');
  const messages = `${url}/simulator/control/workspaces/${acme?.id}/channels/${channel?.id}/messages`;
  const { message } = await json<MessageResponse>(messages, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ userId: acme?.users[0]?.id, text }),
  });
  let answer: ControlMessage | undefined;
  await until('Ada answers', async () => {
    const thread = await json<MessagesResponse>(`${messages}?threadId=${message.messageId}`);
    answer = thread.messages.find(
      // Not what is shown of it while it is written.
      ({ isAgent, editedAtMs, markdown }) => isAgent && editedAtMs !== null && !markdown?.endsWith(' …'),
    );
    return answer !== undefined;
  });
  const { journeys } = await json<JourneysResponse>(messages.replace(/messages$/, 'journeys'));
  const journey = journeys.find(({ messageId }) => messageId === message.messageId);
  expect(journey?.stages.map(({ stage }) => stage)).toEqual(
    expect.arrayContaining(['received', 'admitted', 'claimed', 'placeholder', 'model', 'committed']),
  );
  return answer as ControlMessage;
}

describe('konstruct dev', () => {
  it('starts on an empty folder, answers, and goes on with its data at the next start', {
    timeout: 120_000,
  }, async () => {
    const first = await started();
    const answer = await askAda(first.url(), '@Ada can you check the refund policy?');
    expect(answer.markdown).toContain('within 14 days');
    expect(await (await fetch(`${first.url()}/`, { redirect: 'manual' })).headers.get('location')).toBe(
      '/simulator',
    );
    expect(await (await fetch(`${first.url()}/simulator/`)).text()).toContain('<div id="root">');

    const demo = await fetch(`${first.url()}/widget/demo`);
    expect(demo.headers.get('content-security-policy')).toContain("script-src 'self';");
    expect(await demo.text()).toContain('<script src="/widget.js" data-connection="acme-site" async>');
    expect(await (await fetch(`${first.url()}/widget.js`)).text()).toContain('konstruct-chat');
    expect(await json(`${first.url()}/simulator/playground/chats`)).toEqual({
      chats: [
        { site: 'acme-site', agent: 'Ada', company: 'Acme' },
        { site: 'globex-site', agent: 'Max', company: 'Globex' },
      ],
    });
    const session = await json<{ agent: string }>(`${first.url()}/widget/acme-site/session`, {
      method: 'POST',
    });
    expect(session.agent).toBe('Ada');

    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.output()).toMatch(/Another Konstruct process \(pid \d+\) already runs on the data folder/);

    first.child.kill('SIGINT');
    expect(await first.exited).toBe(0);
    const again = await started();
    const { workspaces } = await json<WorkspacesResponse>(`${again.url()}/simulator/control/workspaces`);
    expect(workspaces[0]?.channels[0]?.messageCount).toBe(2);
    await askAda(again.url(), '@Ada hello');
  });

  it('ends in order when npm is asked to, and npm waits for it', { timeout: 120_000 }, async () => {
    const npm = await started(['npm', 'start']);
    const url = npm.url();
    expect((await fetch(`${url}/health`)).status).toBe(200);
    npm.child.kill('SIGTERM');
    expect(await npm.exited).toBe(0);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    expect(npm.output()).toContain('Stopping…');
  });

  it('answers in the simulator whatever companies were there before, and leaves those as they are', {
    timeout: 120_000,
  }, async () => {
    const env = { KONSTRUCT_DATA_DIR: dataDir, TOKEN: 'xoxb-real', SECRET: 'x'.repeat(40) };
    const file = join(dataDir, 'acme.yaml');
    writeFileSync(
      file,
      `
tenants:
  - slug: acme
    name: Acme Ltd
    budget: { dailyUsd: 20 }
    agents: [{ slug: ada, name: Ada, role: Poet, persona: Rhymes. }]
    connections:
      - { channel: slack, externalId: T0REAL, agent: ada, credentials: { botToken: "\${TOKEN}" } }
      - { channel: widget, externalId: acme-site, agent: ada, credentials: { secret: "\${SECRET}" } }
`,
    );
    expect((await runKonstruct(`apply -f ${file}`, { env })).code).toBe(0);
    const acmeBefore = tenantsOf(await runKonstruct('export', { env })).get('acme');

    const first = await started();
    expect(first.output()).toContain('open this and say hello to Ada');
    expect(first.output()).toContain('Acme is the tenant acme-simulator: acme was taken');
    expect((await askAda(first.url(), '@Ada can you check the refund policy?')).markdown).toContain(
      '14 days',
    );
    const page = await (await fetch(`${first.url()}/widget/demo`)).text();
    expect(page).toContain('<script src="/widget.js" data-connection="acme-simulator-site" async>');
    const session = `${first.url()}/widget/acme-simulator-site/session`;
    expect(await json(session, { method: 'POST' })).toMatchObject({ agent: 'Ada', isAnonymous: true });
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);

    const made = tenantsOf(await runKonstruct('export', { env }));
    expect([...made.keys()].sort()).toEqual(['acme', 'acme-simulator', 'globex']);
    expect(made.get('acme')).toEqual(acmeBefore);
    const again = await started();
    expect(again.output()).toContain('say hello to Ada');
    expect(tenantsOf(await runKonstruct('export', { env }))).toEqual(made);

    const off = stringify({
      tenants: [
        {
          ...(made.get('acme-simulator') as object),
          connections: [
            {
              channel: 'slack',
              externalId: 'T0ACME00001',
              agent: 'ada',
              enabled: false,
              settings: { simulated: true },
            },
          ],
        },
      ],
    });
    writeFileSync(file, off);
    expect(await runKonstruct(`apply -f ${file}`, { env })).toMatchObject({ code: 0 });
    again.child.kill('SIGTERM');
    await again.exited;
    const third = await started();
    expect(third.output()).toContain('open this and say hello to Max of Globex');
    expect(third.output()).not.toContain('hello to Ada');
  });

  it('leaves it to a file who answers in the simulator, as the guide has it', {
    timeout: 60_000,
  }, async () => {
    const guide = readFileSync(join(root, 'docs', 'guides', 'hire-an-agent.md'), 'utf8');
    const file = join(dataDir, 'poets.yaml');
    const example = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].find(([, text]) =>
      text?.includes('poets'),
    );
    writeFileSync(file, example?.[1] ?? '');
    const dev = await started(undefined, { KONSTRUCT_CONFIG: file });
    expect(dev.output()).toContain('say hello to Ada');
    await askAda(dev.url(), '@Ada hello');
    const made = tenantsOf(await runKonstruct('export', { env: { KONSTRUCT_DATA_DIR: dataDir } }));
    expect([...made.keys()].sort()).toEqual(['globex', 'poets']);
  });

  it('is well to the doctor while it runs and when it does not: nobody asks the real Slack for the simulator', {
    timeout: 120_000,
  }, async () => {
    const dev = await started();
    const doctor = async (port: string) => {
      const { code, stdout } = await runKonstruct('doctor --json', {
        env: { KONSTRUCT_DATA_DIR: dataDir, PORT: port, SLACK_API_URL: 'http://127.0.0.1:1/api/' },
      });
      const { checks } = JSON.parse(stdout) as {
        checks: readonly { check: string; findings: readonly { level: string; text: string }[] }[];
      };
      const found = checks.find(({ check }) => check === 'Connections')?.findings ?? [];
      return { code, found: found.map(({ level, text }) => `${level}: ${text}`) };
    };
    const { port } = new URL(dev.url());
    expect(await doctor(port)).toEqual({
      code: 0,
      found: [
        `ok: slack T0ACME00001 of acme answers as U0ACMEADA01 in Acme, in the simulator at ${dev.url()}.`,
        `ok: slack T0GLOBEX001 of globex answers as U0GLOBXMAX1 in Globex, in the simulator at ${dev.url()}.`,
        'ok: widget acme-site of acme, widget globex-site of globex belong to `konstruct dev`.',
      ],
    });
    dev.child.kill('SIGTERM');
    await dev.exited;
    expect(await doctor(port)).toEqual({
      code: 0,
      found: [
        'ok: slack T0ACME00001 of acme, widget acme-site of acme, slack T0GLOBEX001 of globex, widget globex-site of globex ' +
          `belong to the simulator of \`konstruct dev\`, which does not run at ${dev.url()}.`,
      ],
    });
  });
});

/** What `konstruct export` printed of each tenant, by slug. */
function tenantsOf({ stdout }: { readonly stdout: string }): ReadonlyMap<string, unknown> {
  const { tenants } = parse(stdout) as { tenants: readonly { slug: string }[] };
  return new Map(tenants.map((tenant) => [tenant.slug, tenant]));
}
