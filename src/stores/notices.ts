import type { Kysely } from 'kysely';
import type pg from 'pg';
import type { Notice, NoticeResult } from '../core/notice.ts';
import type { Database } from '../db/schema.ts';
import { withTenant } from '../db/with-tenant.ts';

/** Takes up to `limit` pending notices of all tenants; each is handed out once, and again when it was put back. */
export async function claimNotices(pool: pg.Pool, limit: number): Promise<readonly Notice[]> {
  const { rows } = await pool.query<{ notice: Notice }>('select claim_notices($1) as notice', [limit]);
  return rows.map(({ notice }) => notice);
}

export async function finishNotice(
  database: Kysely<Database>,
  notice: Notice,
  result: NoticeResult,
): Promise<void> {
  await withTenant(database, notice.tenantId, (transaction) =>
    transaction
      .updateTable('deliveries')
      .set({
        status: result.status,
        error_code: result.errorCode,
        ...(result.status === 'sent' ? { sent_at: new Date() } : {}),
      })
      .where('tenant_id', '=', notice.tenantId)
      .where('id', '=', String(notice.id))
      .execute(),
  );
}
