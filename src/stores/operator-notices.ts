import { type Kysely, sql } from 'kysely';
import type { Database } from '../db/schema.ts';

/** Something about a tenant that its operators should know. */
export interface OperatorNotice {
  /** Slug. */
  readonly tenant: string;
  readonly kind: 'budget_threshold' | 'budget_exhausted' | 'budget_too_small';
  readonly detail: {
    readonly scope: string;
    readonly subject: string;
    readonly period: string;
    readonly unit: 'usd' | 'tokens';
    readonly limit: number;
    readonly endsAtMs: number;
  };
  readonly createdAt: Date;
}

/** The newest first, of all tenants. For operators: it looks across tenants. */
export async function listOperatorNotices(
  database: Kysely<Database>,
  since: Date,
  limit: number,
): Promise<readonly OperatorNotice[]> {
  const { rows } = await sql<OperatorNotice>`
    select tenant, kind, detail, created_at as "createdAt" from konstruct.list_operator_notices(${since}, ${limit})`.execute(
    database,
  );
  return rows;
}
