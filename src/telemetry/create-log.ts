import { pino } from 'pino';
import type { Log } from '../core/log.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * JSON lines on standard error: `{"level":"info","time":…,"event":"turn.answered",…}`. Standard output belongs to what
 * commands print. Errors appear with name, code, message and stack; their causes as code and message only.
 */
export function createLog(options: {
  level: LogLevel;
  bindings?: Record<string, unknown>;
  destination?: number;
}): Log {
  const logger = pino(
    {
      level: options.level,
      base: options.bindings ?? null,
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      serializers: { error: serializeError },
    },
    pino.destination({ fd: options.destination ?? 2, sync: true }),
  );
  return {
    debug: (event, fields) => logger.debug(fields ?? {}, event),
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, fields) => logger.error(fields ?? {}, event),
  };
}

/** What a line shows of an error. */
export function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return String(error);
  const { code, details } = error as { code?: unknown; details?: unknown };
  const cause =
    error.cause instanceof Error
      ? { code: (error.cause as { code?: unknown }).code, message: error.cause.message }
      : undefined;
  return { name: error.name, code, message: error.message, details, cause, stack: error.stack };
}
