import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config.ts';
import { type Cipher, createCipher, MASTER_KEY_BYTES } from './core/cipher.ts';
import { KonstructError } from './core/errors.ts';
import { isReadable, type StoredSecret } from './stores/stored-secrets.ts';

/** Name of the kept key within the data folder. */
export const MASTER_KEY_FILE = 'master.key';

type MasterKeyConfig = Pick<Config, 'mode' | 'dataDir' | 'masterKey' | 'previousMasterKeys' | 'databaseUrl'>;

/** All that is stored under a master key. Only asked where that tells whether there is a key, or whether it is the right one. */
type ListSecrets = () => Promise<readonly StoredSecret[]>;

/**
 * The cipher for stored secrets: the master key encrypts, it and the previous ones decrypt.
 * @throws what `ensureMasterKey` throws
 */
export async function openCipher(config: MasterKeyConfig, listSecrets: ListSecrets): Promise<Cipher> {
  const previous = config.previousMasterKeys.map((key) => key.reveal());
  return createCipher([await ensureMasterKey(config, listSecrets), ...previous]);
}

/**
 * The master key: KONSTRUCT_MASTER_KEY, else the one kept in the data folder, else (in dev, and for commands on the
 * embedded database) a new one that is kept there, mode 0600.
 *
 * No new key is made where secrets are stored that it would not open. For a database of the operator's own a command makes
 * none at all, as `konstruct serve` elsewhere would not have it, and takes the kept one only when that opens all that is
 * stored there: it may be of another database.
 *
 * @throws KonstructError `config_invalid` when there is no key and none may be made, when the kept one may be the wrong one,
 *   and when the file is not a key or may be read by others
 */
export async function ensureMasterKey(config: MasterKeyConfig, listSecrets: ListSecrets): Promise<Buffer> {
  if (config.masterKey) return config.masterKey.reveal();
  const path = join(config.dataDir, MASTER_KEY_FILE);
  const kept = await readKeptKey(path);
  if (kept) {
    if (config.databaseUrl !== null) checkKeptKey(kept, path, config.mode, await listSecrets());
    return kept;
  }
  const mayMake = config.mode === 'dev' || (config.mode === 'command' && config.databaseUrl === null);
  if (!mayMake) {
    throw new KonstructError(
      'config_invalid',
      `There is no master key: KONSTRUCT_MASTER_KEY is not set and ${path} does not exist. Set it to the key that \`konstruct serve\` uses on this database.`,
    );
  }
  const { length } = await listSecrets();
  if (length > 0) throw missingKey(path, length);
  return makeKey(config.dataDir, path);
}

/** Secrets are stored, and nothing opens them: what is left of an installation whose key is elsewhere, or lost. */
export function missingKey(path: string, count: number): KonstructError {
  const stored = count === 1 ? '1 secret is stored' : `${count} secrets are stored`;
  return new KonstructError(
    'config_invalid',
    `${stored}, and there is no master key: KONSTRUCT_MASTER_KEY is not set and ${path} does not exist; set KONSTRUCT_MASTER_KEY to the key they were stored under, or, if that is lost, to a new one, and apply them again with --replace-unreadable.`,
  );
}

function checkKeptKey(
  key: Buffer,
  path: string,
  mode: Config['mode'],
  secrets: readonly StoredSecret[],
): void {
  const cipher = createCipher([key]);
  const closed = secrets.filter((secret) => !isReadable(secret, cipher)).length;
  const isKnown = secrets.length > 0 || mode !== 'command';
  if (closed === 0 && isKnown) return;
  const reason =
    closed === 0
      ? `KONSTRUCT_MASTER_KEY is not set, and ${path} may be another key than that of DATABASE_URL, where no secret is stored yet`
      : `${path} does not open ${closed} of ${secrets.length} secrets that are stored at DATABASE_URL`;
  throw new KonstructError(
    'config_invalid',
    `${reason}; set KONSTRUCT_MASTER_KEY to the key that \`konstruct serve\` uses on this database.`,
  );
}

async function readKeptKey(path: string): Promise<Buffer | null> {
  let text: string;
  let mode: number;
  try {
    ({ mode } = await stat(path));
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new KonstructError('config_invalid', `The master key ${path} cannot be read.`, { cause });
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new KonstructError(
      'config_invalid',
      `The master key ${path} may be read by other users. Run: chmod 600 ${path}`,
    );
  }
  const key = Buffer.from(text.trim(), 'base64');
  if (key.length === MASTER_KEY_BYTES) return key;
  throw new KonstructError(
    'config_invalid',
    `${path} is not ${MASTER_KEY_BYTES} bytes of base64. Restore it from a backup: without it stored credentials cannot be read.`,
  );
}

/** Written aside and linked into place: a key is there whole or not at all, and of two processes one wins. */
async function makeKey(folder: string, path: string): Promise<Buffer> {
  const key = randomBytes(MASTER_KEY_BYTES);
  const aside = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.writeFile(`${key.toString('base64')}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(aside, path);
    return key;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const winner = await readKeptKey(path);
    if (winner) return winner;
    throw cause;
  } finally {
    await rm(aside, { force: true });
  }
}
