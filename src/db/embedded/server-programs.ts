import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { join } from 'node:path';
import { canReach, type ServerAccount } from './server-account.ts';

/** How PostgreSQL's programs are called on this machine. */
export interface ServerPrograms {
  /** The folder with `bin`, `lib` and `share`, reachable by the account. */
  readonly root: string;
  readonly account: ServerAccount | null;
}

export function programPath(programs: ServerPrograms, program: 'initdb' | 'postgres' | 'pg_ctl'): string {
  return join(programs.root, 'bin', process.platform === 'win32' ? `${program}.exe` : program);
}

/**
 * Starts one of PostgreSQL's programs as its account, working in the cluster folder.
 *
 * The environment is empty but for the language (we read its messages): PG* variables of the operator would change
 * what the server does, and our secrets are none of its business.
 */
export function spawnProgram(
  programs: ServerPrograms,
  program: 'initdb' | 'postgres' | 'pg_ctl',
  args: readonly string[],
  options: {
    readonly clusterDir: string;
    readonly stdio: SpawnOptions['stdio'];
    readonly detached?: boolean;
  },
): ChildProcess {
  return spawn(programPath(programs, program), args, {
    cwd: options.clusterDir, // entered as root, before the change of user
    stdio: options.stdio,
    // A group of its own: the terminal's Ctrl-C is for us, and we stop the server when the last work is done.
    detached: options.detached ?? false,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    windowsHide: true,
    ...(programs.account ? { uid: programs.account.uid, gid: programs.account.gid } : {}),
  });
}

/**
 * The name by which the server calls its cluster folder.
 *
 * Run by root, the server's account often cannot enter the folders above it (/root, or a data folder of mode 0700
 * because it holds keys), and PostgreSQL insists on an absolute path. On Linux `/proc/self/cwd` is one: each of its
 * processes works in the cluster folder, and the kernel follows that link without walking through the parents. So the
 * data stays where the operator put it, and no folder has to be opened to others.
 */
export function clusterPathFor(account: ServerAccount | null, clusterDir: string): string {
  if (process.platform !== 'linux' || canReach(account, clusterDir)) return clusterDir;
  return '/proc/self/cwd';
}
