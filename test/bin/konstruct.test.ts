import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { readProcess } from '../../src/db/embedded/process-identity.ts';
import { waitUntil } from '../../src/db/embedded/wait-until.ts';
import { installOwnRuntime, makeCheckout, run } from './checkout.ts';

const printsAll = `const facts: unknown = { args: process.argv.slice(2), cwd: process.cwd(), exec: process.execArgv.length };
console.log(JSON.stringify(facts));
process.exitCode = 3;`;

/** Prints its pid, then each signal it gets; ends with code 7 half a second after the first. */
const waitsForSignal = `for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => { console.log(signal); setTimeout(() => process.exit(7), 500); });
}
setInterval(() => {}, 1000);
console.log(process.pid);`;

test('installs once, runs in the caller’s folder, through a link, and hands on arguments and exit code', async () => {
  const root = makeCheckout({ main: printsAll });
  const link = join(root, 'linked');
  symlinkSync(join(root, 'bin', 'konstruct'), link);
  const cwd = realpathSync(tmpdir());

  const first = await run(link, ['serve', '--role', 'all'], cwd).finished;
  expect(first.stderr).toBe('konstruct: installing packages …\n');
  expect(first.code).toBe(3);
  expect(JSON.parse(first.stdout)).toMatchObject({ args: ['serve', '--role', 'all'], cwd });

  const second = await run(link, [], cwd).finished;
  expect(second).toMatchObject({ code: 3, stderr: '' });
  expect(readFileSync(join(root, 'installs.txt'), 'utf8')).toBe('installed\n');
});

test('installs once when two processes find nothing installed at the same moment', async () => {
  const root = makeCheckout({ main: printsAll });
  const bin = join(root, 'bin', 'konstruct');
  const results = await Promise.all([run(bin, [], root).finished, run(bin, [], root).finished]);
  expect(results.map(({ code }) => code)).toEqual([3, 3]);
  expect(readFileSync(join(root, 'installs.txt'), 'utf8')).toBe('installed\n');
});

test('installs inside an npm that was told to leave development packages out', async () => {
  const root = makeCheckout({ main: printsAll });
  const env = { npm_config_omit: 'dev', npm_config_dry_run: 'true', NODE_ENV: 'production' };
  expect(await run(join(root, 'bin', 'konstruct'), [], root, env).finished).toMatchObject({ code: 3 });
  expect(readFileSync(join(root, 'installs.txt'), 'utf8')).toBe('installed\n');
});

test('says what to do when the registry cannot be reached', async () => {
  const root = makeCheckout({
    main: printsAll,
    dependencies: { 'left-out': '1.0.0' },
    locked: { 'node_modules/left-out': { version: '1.0.0', integrity: `sha512-${'A'.repeat(86)}==` } },
  });
  const env = { npm_config_registry: 'http://127.0.0.1:1/', npm_config_fetch_retries: '0' };
  const { code, stderr } = await run(join(root, 'bin', 'konstruct'), [], root, env).finished;
  expect(code).toBe(1);
  expect(stderr).toContain(
    'the npm registry cannot be reached; check the network or the proxy, then try again.',
  );
});

test('says so when npm is missing', async () => {
  const root = makeCheckout({ main: printsAll });
  const { code, stderr } = await run(join(root, 'bin', 'konstruct'), [], root, { PATH: root }).finished;
  expect(code).toBe(1);
  expect(stderr).toContain('konstruct: npm was not found');
});

test('says so when the copy is incomplete', async () => {
  const root = makeCheckout();
  installOwnRuntime(root);
  const { code, stderr } = await run(join(root, 'bin', 'konstruct'), [], root).finished;
  expect(code).toBe(1);
  expect(stderr).toBe(
    `konstruct: ${join(root, 'src', 'cli', 'main.ts')} is missing: this copy of Konstruct is incomplete.\n`,
  );
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  'hands %s on once, waits, and ends as the runtime ends',
  async (signal) => {
    const root = makeCheckout({ main: waitsForSignal });
    installOwnRuntime(root);
    const { child, finished, firstLine } = run(join(root, 'bin', 'konstruct'), [], root);
    const pid = await firstLine;
    expect(Number(pid)).not.toBe(child.pid);
    child.kill(signal);
    expect(await finished).toMatchObject({ code: 7, stdout: `${pid}\n${signal}\n` });
  },
);

// npm sends SIGTERM to the shell of the script alone, and Debian's hands it on to nobody: the shell has to be replaced.
// What follows `||` is for Windows, whose shell has no `exec`.
test('npm start hands SIGTERM on, and ends as the runtime ends', async () => {
  const { scripts } = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8'),
  ) as { scripts: Readonly<Record<string, string>> };
  const root = makeCheckout({ main: waitsForSignal, scripts });
  installOwnRuntime(root);
  const npm = spawn('npm', ['start', '--silent'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(npm, 'close');
  const lines = createInterface({ input: npm.stdout })[Symbol.asyncIterator]();
  const pid = Number((await lines.next()).value);
  onTestFinished(() => {
    npm.kill('SIGKILL');
    if (readProcess(pid) !== null) process.kill(pid, 'SIGKILL');
  });
  npm.kill('SIGTERM');
  expect((await lines.next()).value).toBe('SIGTERM');
  expect(await ended).toEqual([7, null]);
  expect(readProcess(pid)).toBeNull();
});

test('leaves no trace of itself in what the program sees', async () => {
  const root = makeCheckout({ main: printsAll });
  installOwnRuntime(root);
  const { code, stdout, stderr } = await run(join(root, 'bin', 'konstruct'), ['export', '--json'], root)
    .finished;
  expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ args: ['export', '--json'], cwd: root, exec: 0 });
});

test('ends with 128 + n when a signal ended the runtime', async () => {
  const root = makeCheckout({ main: `process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);` });
  installOwnRuntime(root);
  expect(await run(join(root, 'bin', 'konstruct'), [], root).finished).toMatchObject({ code: 143 });
});

test('takes the runtime along when it is killed itself', async () => {
  const root = makeCheckout({ main: waitsForSignal });
  installOwnRuntime(root);
  const { child, firstLine } = run(join(root, 'bin', 'konstruct'), [], root);
  const pid = Number(await firstLine);
  child.kill('SIGKILL');
  expect(await waitUntil(() => readProcess(pid) === null, { timeoutMs: 5_000 })).toBe(true);
});

test('with-runtime puts the checkout’s runtime first, and hands on the exit code', async () => {
  const root = makeCheckout();
  installOwnRuntime(root);
  const bin = join(root, 'bin', 'with-runtime');
  const script = 'console.log(process.env.PATH.split(":").slice(0, 2).join()); process.exit(5)';
  const { code, stdout } = await run(bin, ['node', '-e', script], root).finished;
  const own = join(root, 'node_modules');
  expect(stdout.trim()).toBe(`${join(own, '.bin')},${join(own, 'node', 'bin')}`);
  expect(code).toBe(5);

  expect(await run(bin, ['no-such-command'], dirname(root)).finished).toMatchObject({ code: 127 });
  expect(await run(bin, [], root).finished).toMatchObject({ code: 2 });
});
