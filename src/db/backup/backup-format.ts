import { z } from 'zod';
import { KonstructError } from '../../core/errors.ts';

/**
 * A backup is gzip of UTF-8 lines that `zcat` shows: a head; for each table a line that names it and its columns, its rows
 * as PostgreSQL's COPY writes them as text, and a line `\.`; a foot. No row can look like that line: COPY escapes
 * backslashes (https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"). The foot tells a whole file from one
 * that was cut off.
 */
export const headSchema = z.strictObject({
  konstruct: z.literal('backup'),
  format: z.literal(1),
  version: z.string(),
  /** ISO 8601 */
  madeAt: z.string(),
  /** What the schema was when the rows were copied. */
  migrations: z.array(z.strictObject({ name: z.string(), checksum: z.string() })).min(1),
});
export type BackupHead = z.infer<typeof headSchema>;

/** Names go into SQL: only such as our own tables and columns have. */
const nameSchema = z.string().regex(/^[a-z_][a-z0-9_]*$/);

export const sectionSchema = z.strictObject({ table: nameSchema, columns: z.array(nameSchema).min(1) });
export type SectionHead = z.infer<typeof sectionSchema>;

export const footSchema = z.strictObject({
  rows: z.record(nameSchema, z.int().min(0)),
  /** The last number that each sequence gave. As text: they are 64 bits wide. */
  sequences: z.record(nameSchema, z.string().regex(/^\d+$/)),
});
export type BackupFoot = z.infer<typeof footSchema>;

/** Ends the rows of a table. */
export const END_OF_ROWS = Buffer.from('\\.\n');

/** On both sides: values mean the same whatever the server's or the user's settings are. As pg_dump does it. */
export const COPY_SETTINGS = `
  set client_encoding = 'UTF8'; set datestyle = 'ISO'; set intervalstyle = 'postgres'; set timezone = 'UTC';
  set extra_float_digits = 3; set bytea_output = 'hex'; set statement_timeout = 0;
  set idle_in_transaction_session_timeout = 0; set lock_timeout = '30s'`;

/** `copy konstruct.turns (tenant_id, id, …)` */
export function copyTarget({ table, columns }: SectionHead): string {
  return `konstruct.${table} (${columns.map((column) => `"${column}"`).join(', ')})`;
}

export function unreadable(why: string, cause?: unknown): KonstructError {
  return new KonstructError('backup_unreadable', `The backup cannot be read: ${why}.`, { cause });
}
