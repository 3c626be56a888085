import type { Log, LogFields } from '../../src/core/log.ts';
import { serializeError } from '../../src/telemetry/create-log.ts';

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: LogFields;
}

/**
 * A log that tests can read. As JSON, an error in it is what the real log writes of it: by itself an error is `{}`, and
 * nobody would find in it what must not be there.
 */
export function recordingLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const record =
    (level: LogLine['level']) =>
    (event: string, fields: LogFields = {}) => {
      const line = { level, event, fields };
      const shown = (_name: string, value: unknown) =>
        value instanceof Error ? serializeError(value) : value;
      const toJSON = () => ({ level, event, fields: JSON.parse(JSON.stringify(fields, shown)) as unknown });
      lines.push(Object.defineProperty(line, 'toJSON', { value: toJSON }));
    };
  return {
    lines,
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
  };
}
