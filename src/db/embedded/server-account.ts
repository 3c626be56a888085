import { chmodSync, chownSync, lchownSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { KonstructError } from '../../core/errors.ts';

/** The user that PostgreSQL runs as when we are root, which it refuses to run as. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
}

/** A user of one's own is best, because everything that runs as `nobody` shares its files. */
const preferredAccounts = ['konstruct', 'nobody'] as const;

/**
 * Chooses whom PostgreSQL runs as: `null` means as ourselves. An existing cluster stays with its owner.
 * The user must be one the system knows by name: initdb asks for it.
 */
export function chooseServerAccount(
  clusterDir: string,
  passwd: string = readPasswd(),
  ownUid: number | undefined = process.getuid?.(),
): ServerAccount | null {
  if (ownUid === undefined) return null;
  const owner = statSync(clusterDir, { throwIfNoEntry: false })?.uid;
  const accounts = parsePasswd(passwd);
  if (ownUid !== 0) {
    if (owner !== undefined && owner !== ownUid) throw belongsToAnother(clusterDir, owner, accounts);
    return null;
  }
  const account =
    (owner ? accounts.find(({ uid }) => uid === owner) : undefined) ??
    preferredAccounts
      .map((name) => accounts.find((each) => each.name === name && each.uid !== 0))
      .find(Boolean);
  if (!account) {
    throw new KonstructError(
      'embedded_database_failed',
      'PostgreSQL does not run as root, and there is no user named konstruct or nobody to run it as: ' +
        'add one, start Konstruct as an ordinary user, or set DATABASE_URL to a PostgreSQL server of yours.',
    );
  }
  return account;
}

/** True if the account can enter every folder above `path`. Decided by mode bits; lists of access rights are not read. */
export function canReach(account: ServerAccount | null, path: string): boolean {
  if (account === null) return true;
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const needed = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if ((mode & needed) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

/** A cluster that root restored or copied is root's: gives all of it to the account, as PostgreSQL demands. */
export function giveClusterTo(account: ServerAccount, clusterDir: string): void {
  if (statSync(clusterDir).uid !== 0) return;
  for (const entry of readdirSync(clusterDir, { recursive: true, encoding: 'utf8' })) {
    lchownSync(join(clusterDir, entry), account.uid, account.gid);
  }
  chmodSync(clusterDir, 0o700);
  chownSync(clusterDir, account.uid, account.gid); // last: so that an interrupted attempt is made again
}

function belongsToAnother(
  clusterDir: string,
  owner: number,
  accounts: readonly ServerAccount[],
): KonstructError {
  const name = accounts.find(({ uid }) => uid === owner)?.name ?? `user ${owner}`;
  return new KonstructError(
    'embedded_database_failed',
    `The database in ${clusterDir} belongs to ${name} (Konstruct was started as root or another user before): ` +
      `start it as that user again, or give the folder to yourself with: sudo chown -R "$(id -u)" ${clusterDir}`,
    { details: { clusterDir, owner } },
  );
}

function parsePasswd(passwd: string): ServerAccount[] {
  return passwd.split('\n').flatMap((line) => {
    const [name, , uid, gid] = line.split(':');
    return name && uid && gid ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8');
  } catch {
    return ''; // a system without one has no root to avoid either, or the error below says what is missing
  }
}
