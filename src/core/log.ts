/**
 * A log line is an event name and fields: `log.info('turn.committed', { tenantId, turnId, ms })`.
 * Fields never hold a secret or the text of a message.
 */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, unknown>>;
