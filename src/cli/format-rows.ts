import type { BackupRows } from '../db/backup/write-backup.ts';

/** What a person knows of: `3 tenants, 1204 conversations, 5310 messages.` */
export function formatRows(rows: BackupRows): string {
  const known = ['tenants', 'agents', 'connections', 'conversations', 'messages'];
  return `${known.map((table) => `${rows[table] ?? 0} ${table}`).join(', ')}.`;
}
