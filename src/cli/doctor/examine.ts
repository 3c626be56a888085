import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { webhookUrl } from '../../channel-table.ts';
import { type Config, platformSettings } from '../../config.ts';
import type { PlatformSettings } from '../../core/channel-definition.ts';
import type { Cipher } from '../../core/cipher.ts';
import { createDatabase } from '../../db/create-database.ts';
import { listPendingMigrations } from '../../db/migrate.ts';
import { createDatabasePool } from '../../db/pool.ts';
import type { Database } from '../../db/schema.ts';
import { withClient } from '../../db/with-client.ts';
import { MASTER_KEY_FILE, missingKey, openCipher } from '../../ensure-master-key.ts';
import { listStoredSecrets } from '../../stores/stored-secrets.ts';
import { widgetFile } from '../build-portal.ts';
import { type CommandContext, hasDatabase, withServer } from '../command-context.ts';
import { loadExtensions } from '../load-extensions.ts';
import { type DoctorContext, type Finding, ok, problemOf } from './check.ts';
import { checks } from './checks.ts';
import { type CheckResult, runChecks } from './run-checks.ts';

/** Deadline of everything together, in ms. */
const DEADLINE_MS = 60_000;
const CONNECTIONS = 9;

/** Opens what can be opened, runs all checks on it, and changes nothing. What cannot be opened is a finding. */
export async function examine(context: CommandContext): Promise<readonly CheckResult[]> {
  const opening: Record<string, Finding | null> = {};
  const run = async (databaseUrl: string | null): Promise<readonly CheckResult[]> => {
    const results = await withParts(context, databaseUrl, (parts, keyFinding) => {
      opening['Master key'] = keyFinding;
      return runChecks(checks, parts);
    });
    return results.map(({ check, findings }) => {
      const finding = opening[check];
      return { check, findings: finding ? [finding, ...findings] : findings };
    });
  };
  const { config } = context;
  if (!hasDatabase(config)) {
    opening.Database = ok('There is no embedded database yet; the first start makes it.');
    return run(null);
  }
  let isOpen = false;
  try {
    return await withServer(context, ({ url }) => {
      isOpen = true;
      return run(url);
    });
  } catch (error) {
    if (isOpen) throw error;
    opening.Database = problemOf(error, 'The database could not be opened');
    return run(null);
  }
}

/** Makes no key. No finding: `checkMasterKey` has more to say about it. */
async function openExistingCipher(
  config: Config,
  database: Kysely<Database> | null,
): Promise<{ cipher: Cipher | null; finding: Finding | null }> {
  const listSecrets = async () => (database === null ? [] : listStoredSecrets(database));
  try {
    const path = join(config.dataDir, MASTER_KEY_FILE);
    if (config.masterKey === null && config.databaseUrl === null && !existsSync(path)) {
      const { length } = await listSecrets();
      if (length > 0) throw missingKey(path, length);
      return { cipher: null, finding: ok('There is no master key yet; the first start makes it.') };
    }
    return { cipher: await openCipher({ ...config, mode: 'serve' }, listSecrets), finding: null };
  } catch (error) {
    return { cipher: null, finding: problemOf(error, 'There is no usable key') };
  }
}

async function withParts<T>(
  { config, log }: CommandContext,
  databaseUrl: string | null,
  work: (parts: DoctorContext, keyFinding: Finding | null) => Promise<T>,
): Promise<T> {
  const database =
    databaseUrl !== null && (await isMigrated(databaseUrl))
      ? createDatabase(createDatabasePool({ url: databaseUrl, name: 'doctor', size: CONNECTIONS, log }))
      : null;
  const settings = {
    ...platformSettings(config),
    slack: { apiUrl: config.slack.apiUrl, signingSecret: config.slack.signingSecret?.reveal() ?? null },
  };
  const settingsOf = (channel: string): Partial<PlatformSettings> =>
    (settings as Readonly<Record<string, PlatformSettings>>)[channel] ?? {};
  const { channels: definitions } = await loadExtensions(config);
  const channels = new Map(
    definitions.map((definition) => [
      definition.type,
      definition.open({
        apiUrl: settingsOf(definition.type).apiUrl ?? definition.defaultApiUrl,
        values: settingsOf(definition.type).values ?? {},
        publicUrl: config.publicUrl,
        clock: Date.now,
        random: Math.random,
        sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}),
        log,
      }),
    ]),
  );
  try {
    const { cipher, finding } = await openExistingCipher(config, database);
    const parts: DoctorContext = {
      config,
      database,
      databaseUrl,
      cipher,
      channels,
      // Socket Mode needs none: the app token vouches for what comes.
      hasSharedSecret: (channel) =>
        Boolean(settingsOf(channel).signingSecret) || (channel === 'slack' && config.slack.appToken !== null),
      webhookUrl: (channel, connectionId) => webhookUrl(definitions, config.publicUrl, channel, connectionId),
      widgetFile,
      fetch: globalThis.fetch,
      clock: Date.now,
      signal: AbortSignal.timeout(DEADLINE_MS),
    };
    return await work(parts, finding);
  } finally {
    for (const channel of channels.values()) channel.close();
    await database?.destroy();
  }
}

/** Why it is not is for `checkDatabase` to say. */
async function isMigrated(databaseUrl: string): Promise<boolean> {
  try {
    return (await withClient(databaseUrl, listPendingMigrations)).length === 0;
  } catch {
    return false;
  }
}
