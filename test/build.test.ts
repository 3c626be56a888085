import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/** What is published, without the portal. Inside node_modules, so that it finds its dependencies. */
describe('the published package', () => {
  let copy: string;

  beforeAll(async () => {
    copy = mkdtempSync(join(root, 'node_modules', '.konstruct-build-'));
    for (const part of ['package.json', 'bin', 'migrations'])
      cpSync(join(root, part), join(copy, part), { recursive: true });
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', join(copy, 'dist')], {
      cwd: root,
    });
  });
  afterAll(() => rmSync(copy, { recursive: true, force: true }));

  it('is JavaScript that starts without the sources', async () => {
    const { stdout } = await run(process.execPath, [join(copy, 'bin', 'konstruct'), '--version']);
    expect(stdout.trim()).toBe(version);
    const serve = run(process.execPath, [join(copy, 'bin', 'konstruct'), 'serve', '--role', 'worker'], {
      env: {},
    });
    await expect(serve).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('KONSTRUCT_MASTER_KEY'),
    });
  });

  it('has a public API with types, and no tests in it', async () => {
    const api = (await import(pathToFileURL(join(copy, 'dist', 'index.js')).href)) as Record<string, unknown>;
    expect(api).toMatchObject({ startApp: expect.any(Function), KonstructError: expect.any(Function) });
    expect(existsSync(join(copy, 'dist', 'index.d.ts'))).toBe(true);
    const files = readdirSync(join(copy, 'dist'), { recursive: true, encoding: 'utf8' });
    expect(files.length).toBeGreaterThan(100);
    expect(files.filter((name) => name.includes('.test.') || /(?<!\.d)\.ts$/.test(name))).toEqual([]);
  });
});
