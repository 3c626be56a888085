import { readFile } from 'node:fs/promises';
import type { Kysely } from 'kysely';
import { type Config, revealProviderKeys } from '../config.ts';
import { applyConfigFile } from '../config-file/apply-config-file.ts';
import type { Offered } from '../config-file/check-references.ts';
import type { Cipher } from '../core/cipher.ts';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createDatabase } from '../db/create-database.ts';
import { createDatabasePool } from '../db/pool.ts';
import type { Database } from '../db/schema.ts';
import { checkEntry } from '../llm/check-entry.ts';
import { answerCostBy, createPriceList, isThoughtFree } from '../llm/prices/create-price-list.ts';

export interface PrepareTenantsOptions {
  readonly config: Config;
  readonly databaseUrl: string;
  readonly cipher: Cipher;
  readonly log: Log;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What else has to be there. */
  readonly prepare?: Prepare;
  /** Names of the operator's own tools. */
  readonly offered: Offered;
}

/** Looks at what is there and applies what is missing: a konstruct.yaml, under the name that logs call it by. */
export type Prepare = (
  database: Kysely<Database>,
  apply: (name: string, text: string) => Promise<void>,
) => Promise<void>;

const CONNECTIONS = 9;

/** Makes the tenants a start brings along: those of KONSTRUCT_CONFIG, and what `prepare` finds missing. */
export async function prepareTenants(options: PrepareTenantsOptions): Promise<void> {
  const { config } = options;
  const pool = createDatabasePool({
    url: options.databaseUrl,
    name: 'prepare',
    size: CONNECTIONS,
    log: options.log,
  });
  const database = createDatabase(pool);
  try {
    if (config.configFile !== null) {
      await apply(options, database, config.configFile, await readConfigFile(config.configFile));
    }
    await options.prepare?.(database, (name, text) => apply(options, database, name, text));
  } finally {
    await database.destroy();
  }
}

async function apply(
  options: PrepareTenantsOptions,
  database: Kysely<Database>,
  fileName: string,
  text: string,
): Promise<void> {
  const keys = revealProviderKeys(options.config.models);
  const prices = createPriceList(Date.now, keys);
  const plan = await applyConfigFile({
    database,
    cipher: options.cipher,
    source: { fileName, text },
    env: options.env,
    offered: options.offered,
    // A process that only takes messages has no keys: what is missing here is no reason not to start.
    checkEntry: async (entry) => checkEntry(entry, keys),
    hasPrice: async (entry) => (await prices.find(entry)) !== null,
    isThoughtFree,
    answerCost: answerCostBy(prices),
  });
  for (const warning of plan.warnings) options.log.warn('config.warning', { file: fileName, warning });
  if (plan.changes.length > 0)
    options.log.info('config.applied', { file: fileName, changes: plan.changes.length });
}

async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new KonstructError('config_invalid', `KONSTRUCT_CONFIG names ${file}, which cannot be read.`, {
      cause,
    });
  }
}
