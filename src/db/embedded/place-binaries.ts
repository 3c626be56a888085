import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { chmod, cp, mkdtemp, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Binaries } from './find-binaries.ts';
import { canReach, type ServerAccount } from './server-account.ts';

export interface PlaceBinariesOptions {
  readonly binaries: Binaries;
  readonly account: ServerAccount | null;
  readonly dataDir: string;
  readonly log: Log;
  /** Where root may put a copy that other users can reach, best first. */
  readonly sharedDirs?: readonly string[];
}

/**
 * Returns a folder with `bin`, `lib` and `share` that the server's account can run: the package's own one, or a copy
 * (60 MB, 0.2 s, once per version) when a folder above it is closed to that account (a checkout in /root) or when the
 * package's missing links cannot be made where it lies.
 */
export async function placeBinaries(options: PlaceBinariesOptions): Promise<string> {
  const { binaries, account, dataDir, log } = options;
  if (binaries.missingLinks.length === 0 && canReach(account, join(binaries.root, 'bin', 'postgres'))) {
    return binaries.root;
  }
  // Not below /tmp first: what cleans it up after days would take the libraries away from a running server.
  const parents = account
    ? (options.sharedDirs ?? ['/var/lib/konstruct', '/var/tmp/konstruct', join(tmpdir(), 'konstruct')])
    : [dataDir];
  const failures: unknown[] = [];
  for (const parent of parents) {
    try {
      mkdirSync(parent, { recursive: true, mode: account ? 0o755 : 0o700 });
      const target = join(parent, `postgresql-${binaries.version}-${process.platform}-${process.arch}`);
      if (!canReach(account, target)) continue;
      if (!isOurs(parent)) continue;
      if (existsSync(target) && isOurs(target)) return target;
      await copyBinaries(binaries, target);
      log.info('database.binaries_copied', { from: binaries.root, to: target });
      return target;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new KonstructError(
    'embedded_database_failed',
    `The user ${account?.name ?? 'running Konstruct'} cannot run PostgreSQL from ${binaries.root}, and no copy could be made ` +
      `in ${parents.join(', ')}: install Konstruct where every user can reach it, or set DATABASE_URL.`,
    { cause: new AggregateError(failures) },
  );
}

/** Copies beside the target and renames, so that a copy is whole or absent, however many processes make it at once. */
async function copyBinaries(binaries: Binaries, target: string): Promise<void> {
  const temporary = await mkdtemp(`${target}.new-`);
  try {
    await cp(binaries.root, temporary, { recursive: true, verbatimSymlinks: true });
    for (const link of binaries.missingLinks) {
      await symlink(link.pointsTo, join(temporary, link.path));
    }
    await chmod(temporary, 0o755);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    if (!(existsSync(target) && isOurs(target))) throw error;
  }
}

/** We run what lies there, so nobody else may have put it there or may change it. */
function isOurs(folder: string): boolean {
  const { uid, mode } = statSync(folder);
  return !lstatSync(folder).isSymbolicLink() && uid === process.getuid?.() && (mode & 0o022) === 0;
}
