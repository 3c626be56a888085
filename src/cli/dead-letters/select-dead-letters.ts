import type { Kysely } from 'kysely';
import { KonstructError } from '../../core/errors.ts';
import type { Database } from '../../db/schema.ts';
import { type DeadLetterKey, findTurnTenant, listDeadLetterKeys } from '../../stores/dead-letters.ts';
import { listTenants } from '../../stores/tenants.ts';

export interface Selection {
  readonly all?: boolean;
  readonly tenant?: string;
}

/** More than this is done by another call. */
const MAX_AT_ONCE = 100_000;

/** Checks what a command was called with, before a database is opened. @throws KonstructError `usage_invalid` */
export function parseSelection(
  ids: readonly string[],
  { all = false, tenant }: Selection,
): readonly number[] {
  if (all && ids.length > 0) throw usage('Name dead letters, or say --all: not both.');
  if (!all && ids.length === 0) throw usage('Name the dead letters by their ids, or say --all.');
  if (!all && tenant !== undefined) throw usage('--tenant goes with --all.');
  return ids.map(parseId);
}

/** @throws KonstructError `usage_invalid` */
export function parseId(text: string): number {
  const id = /^\d+$/.test(text) ? Number(text) : 0;
  if (!Number.isSafeInteger(id) || id === 0) throw usage(`"${text}" is not the id of a dead letter.`);
  return id;
}

/** What is to be replayed or discarded, each once, oldest first: in this order conversations take them. */
export async function selectDeadLetters(
  database: Kysely<Database>,
  ids: readonly number[],
  { all = false, tenant }: Selection,
): Promise<readonly { readonly id: number; readonly tenantId: string | null }[]> {
  const keys = all
    ? await listDeadLetterKeys(database, {
        tenantId: await findTenantId(database, tenant),
        discarded: false,
        limit: MAX_AT_ONCE,
      })
    : await Promise.all(
        [...new Set(ids)].map(async (id) => ({ id, tenantId: await findTurnTenant(database, id) })),
      );
  return [...keys].sort((a, b) => a.id - b.id);
}

/** @throws KonstructError `not_found` */
export async function findDeadLetter(database: Kysely<Database>, id: number): Promise<DeadLetterKey> {
  const tenantId = await findTurnTenant(database, id);
  if (tenantId === null) throw unknownDeadLetter(id);
  return { id, tenantId };
}

export function unknownDeadLetter(id: number): KonstructError {
  return new KonstructError('not_found', `There is no dead letter ${id}.`);
}

/** `null`: all tenants. @throws KonstructError `not_found` */
export async function findTenantId(
  database: Kysely<Database>,
  slug: string | undefined,
): Promise<string | null> {
  if (slug === undefined) return null;
  const tenant = (await listTenants(database)).find((known) => known.slug === slug);
  if (!tenant) throw new KonstructError('not_found', `There is no tenant "${slug}".`);
  return tenant.id;
}

function usage(message: string): KonstructError {
  return new KonstructError('usage_invalid', message);
}
