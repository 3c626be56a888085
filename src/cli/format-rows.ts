import type { BackupRows } from '../db/backup/write-backup.ts';

/** What a person knows of: `1 tenant, 3 agents, 2 connections, 1204 conversations, 5310 messages.` */
export function formatRows(rows: BackupRows): string {
  const known = ['tenant', 'agent', 'connection', 'conversation', 'message'].map((one) => {
    const count = rows[`${one}s`] ?? 0;
    return `${count} ${one}${count === 1 ? '' : 's'}`;
  });
  return `${known.join(', ')}.`;
}
