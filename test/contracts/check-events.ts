import type { ChannelEvent } from '../../src/core/channel-event.ts';
import { isKonstructError } from '../../src/core/errors.ts';
import { storable } from '../../src/core/storable.ts';

/** The last moment of the year 9999: what comes later no PostgreSQL client, and no person, reads as a date. */
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const MAX_DEPTH = 6;

/** Why these events could not be stored; `null`: they can. */
export function unstorable(events: readonly ChannelEvent[]): string | null {
  for (const event of events) {
    const reason = reasonOf(event, 'event', 0);
    if (reason !== null) return reason;
    if (event.type === 'reaction' && typeof event.emoji !== 'string') return 'event.emoji is no text';
  }
  return null;
}

function reasonOf(value: unknown, name: string, depth: number): string | null {
  switch (typeof value) {
    case 'string':
      return storable(value) === value ? null : `${name} holds what PostgreSQL refuses`;
    case 'boolean':
    case 'undefined':
      return null;
    case 'number':
      if (!Number.isFinite(value)) return `${name} is ${value}`;
      return name.endsWith('AtMs') && (value < 0 || value > LAST_MS) ? `${name} is no time: ${value}` : null;
    case 'object':
      break;
    default:
      return `${name} is a ${typeof value}`;
  }
  if (value === null) return null;
  if (depth > MAX_DEPTH) return `${name} is too deep`;
  for (const [key, item] of Object.entries(value)) {
    const inner = `${name}.${key}`;
    if (storable(key) !== key) return `${name} has a key that PostgreSQL refuses`;
    // What only `acknowledgeAction` and `showCommand` read is never stored, but has to be sent.
    const reason = key === 'reply' ? unwritable(item, inner) : reasonOf(item, inner, depth + 1);
    if (reason !== null) return reason;
    if (key.endsWith('Id') && item === '' && depth === 0) return `${inner} is empty`;
  }
  return null;
}

function unwritable(value: unknown, name: string): string | null {
  try {
    JSON.stringify(value);
    return null;
  } catch (error) {
    return `${name} cannot be written: ${error}`;
  }
}

/** What comes of reading; a body may be malformed, and nothing else may be thrown. */
export function whyNot(read: () => string | null): string | null {
  try {
    return read();
  } catch (error) {
    return isKonstructError(error, 'body_malformed') ? null : whereOf(error);
  }
}

/** What was thrown, and in which lines of ours. */
function whereOf(error: unknown): string {
  const { name, message, stack = '' } = error as Error;
  const lines = stack.split('\n').filter((line) => line.includes('/src/'));
  return [`${name}: ${message}`, ...lines.slice(0, 3)].join('\n');
}
