import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from './bare-environment.ts';

export const konstructMain = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface KonstructRun {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number | null;
}

/** Runs a command of `konstruct`, given as it is typed, as a process of its own, until its end. */
export async function runKonstruct(
  command: string,
  options: { readonly env: Readonly<Record<string, string>>; readonly cwd?: string },
): Promise<KonstructRun> {
  const child = spawn(process.execPath, [konstructMain, ...command.split(' ').filter(Boolean)], {
    cwd: options.cwd,
    env: { ...bareEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('close', resolve)),
  ]);
  return { stdout, stderr, code };
}
