import { type Kysely, sql, type Transaction } from 'kysely';
import { type Cipher, modelKeysOwner } from '../core/cipher.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { ReadableModelKeys, TenantModelKeys } from '../core/model.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';

/** A tenant's keys for one provider as they are stored: encrypted. */
export interface StoredModelKeys {
  readonly tenantId: string;
  readonly provider: string;
  readonly encryptedKeys: Buffer;
}

/** The keys of the transaction's tenant, by provider. */
export async function listModelKeys(transaction: Transaction<Database>): Promise<readonly StoredModelKeys[]> {
  const rows = await transaction.selectFrom('model_keys').selectAll().orderBy('provider').execute();
  return rows.map((row) => ({ tenantId: row.tenant_id, provider: row.provider, encryptedKeys: row.keys }));
}

/** Makes the tenant's keys exactly these. */
export async function replaceModelKeys(
  transaction: Transaction<Database>,
  cipher: Cipher,
  tenantId: string,
  keys: TenantModelKeys,
): Promise<void> {
  await transaction.deleteFrom('model_keys').where('tenant_id', '=', tenantId).execute();
  const rows = Object.entries(keys).map(([provider, list]) => ({
    tenant_id: tenantId,
    provider,
    keys: cipher.encrypt(JSON.stringify(list), modelKeysOwner(tenantId, provider)),
  }));
  if (rows.length > 0) await transaction.insertInto('model_keys').values(rows).execute();
}

/** Stores the same keys under another master key, unless they were replaced meanwhile. Returns whether it did. */
export async function reencryptModelKeys(
  transaction: Transaction<Database>,
  stored: StoredModelKeys,
  envelope: Buffer,
): Promise<boolean> {
  const result = await transaction
    .updateTable('model_keys')
    .set({ keys: envelope, updated_at: sql`now()` })
    .where('tenant_id', '=', stored.tenantId)
    .where('provider', '=', stored.provider)
    .where('keys', '=', stored.encryptedKeys)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/**
 * The keys in the clear, for the model pool.
 * @throws KonstructError `credentials_unreadable`
 */
export function openModelKeys(cipher: Cipher, stored: readonly StoredModelKeys[]): TenantModelKeys {
  return Object.fromEntries(stored.map((keys) => [keys.provider, openProviderKeys(cipher, keys)]));
}

/** The same where keys that cannot be read must not stand in the way of the others. */
function openReadableKeys(cipher: Cipher, stored: readonly StoredModelKeys[]): ReadableModelKeys {
  return Object.fromEntries(
    stored.map((keys) => {
      try {
        return [keys.provider, openProviderKeys(cipher, keys)];
      } catch (error) {
        if (isKonstructError(error, 'credentials_unreadable')) return [keys.provider, null];
        throw error;
      }
    }),
  );
}

function openProviderKeys(cipher: Cipher, stored: StoredModelKeys): readonly string[] {
  const { tenantId, provider, encryptedKeys } = stored;
  const value: unknown = JSON.parse(cipher.decrypt(encryptedKeys, modelKeysOwner(tenantId, provider)));
  if (!Array.isArray(value)) throw new KonstructError('credentials_unreadable');
  return value.map(String);
}

/** Tenants' keys, read once each and again when something changed. A tenant without any costs no question. */
export interface ModelKeyDirectory {
  find(tenantId: string): Promise<ReadableModelKeys>;
  /** Asks which tenants have keys, so that the first turn need not. */
  load(): Promise<unknown>;
  invalidate(): void;
}

const none: ReadableModelKeys = {};

export function createModelKeyDirectory(database: Kysely<Database>, cipher: Cipher): ModelKeyDirectory {
  let owners: Promise<ReadonlyMap<string, { keys: Promise<ReadableModelKeys> | null }>> | null = null;

  function load() {
    if (owners !== null) return owners;
    const loading = sql<{ owner: string }>`select konstruct.list_model_key_owners() as owner`
      .execute(database)
      .then(({ rows }) => new Map(rows.map(({ owner }) => [owner, { keys: null }])));
    owners = loading;
    loading.catch(() => {
      if (owners === loading) owners = null; // a failure is not an answer
    });
    return loading;
  }

  return {
    load,
    async find(tenantId) {
      const owner = (await load()).get(tenantId);
      if (owner === undefined) return none;
      if (owner.keys !== null) return owner.keys;
      const reading = withTenant(database, tenantId, async (transaction) =>
        openReadableKeys(cipher, await listModelKeys(transaction)),
      );
      owner.keys = reading;
      reading.catch(() => {
        owner.keys = null;
      });
      return reading;
    },
    invalidate() {
      owners = null;
    },
  };
}
