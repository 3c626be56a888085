import { type ChildProcess, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface CheckoutOptions {
  /** The text of `src/cli/main.ts`; without it there is none. */
  readonly main?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  /** Packages as they lie in the lock, beside the checkout itself. */
  readonly locked?: Readonly<Record<string, unknown>>;
  readonly scripts?: Readonly<Record<string, string>>;
}

/** A small checkout with the real `bin`: nothing is installed, and installing leaves a line in `installs.txt`. */
export function makeCheckout(options: CheckoutOptions = {}): string {
  const { main, dependencies = {}, locked = {} } = options;
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'konstruct-checkout-')));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  cpSync(join(import.meta.dirname, '..', '..', 'bin'), join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'src', 'cli'), { recursive: true });
  if (main !== undefined) writeFileSync(join(root, 'src', 'cli', 'main.ts'), main);
  const own = { name: 'checkout', version: '1.0.0', dependencies };
  const scripts = { ...options.scripts, preinstall: 'echo installed >> installs.txt' };
  writeJson(join(root, 'package.json'), { ...own, type: 'module', private: true, scripts });
  writeJson(join(root, 'package-lock.json'), {
    ...own,
    lockfileVersion: 3,
    requires: true,
    packages: { '': { ...own, hasInstallScript: true }, ...locked },
  });
  return root;
}

/** Makes the checkout as if installed, with a runtime of its own, which is another one than this process's. */
export function installOwnRuntime(root: string): void {
  const folder = join(root, 'node_modules', 'node');
  mkdirSync(join(folder, 'bin'), { recursive: true });
  writeJson(join(folder, 'package.json'), { name: 'node', version: '0.0.0' });
  symlinkSync(process.execPath, join(folder, 'bin', 'node'));
  writeJson(join(root, 'node_modules', '.package-lock.json'), { packages: {} });
}

interface RunResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Run {
  readonly child: ChildProcess;
  readonly finished: Promise<RunResult>;
  /** Resolves with the first line that the program prints. */
  readonly firstLine: Promise<string>;
}

/** Runs a file of a checkout as a program, in the folder `cwd`. It is killed at the end of the test. */
export function run(file: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): Run {
  const nodeDir = dirname(process.execPath);
  const child = spawn(process.execPath, [file, ...args], {
    cwd,
    env: {
      ...process.env,
      PATH: `${process.env.PATH}:${existsSync('/usr/bin') ? '/usr/bin' : nodeDir}`,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let [stdout, stderr] = ['', ''];
  const firstLine = new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.includes('\n')) resolve(stdout.slice(0, stdout.indexOf('\n')));
    });
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const finished = new Promise<RunResult>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, finished, firstLine };
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
