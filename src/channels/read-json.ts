import { storable } from '../core/storable.ts';

/**
 * Reads fields of JSON that may lack them, have them as another type or carry others besides. Slack's real traffic
 * does all three, so a schema that must match as a whole would drop messages; and these few functions cost a tenth of
 * a microsecond per field where an event has twenty.
 */
export type JsonRecord = Readonly<Record<string, unknown>>;

/** The value as an object, or `null` if it is none (an array is none). */
export function asRecord(value: unknown): JsonRecord | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonRecord) : null;
}

/** The object that a text holds as JSON; `null`: it is no JSON, or no object. */
export function readRecord(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The objects in an array; nothing if it is none. */
export function asRecords(value: unknown): readonly JsonRecord[] {
  if (!Array.isArray(value)) return [];
  const records: JsonRecord[] = [];
  for (const item of value) {
    const record = asRecord(item);
    if (record !== null) records.push(record);
  }
  return records;
}

/** A string that can be stored; `''` if it is none. */
export function asText(value: unknown): string {
  return typeof value === 'string' ? storable(value) : '';
}

/** A word of Slack's for a log line: short, whatever was sent; of what is no string only its type. */
export function asLabel(value: unknown): string {
  return typeof value === 'string' ? asText(value.slice(0, 80)) : typeof value;
}

/** The end of the last year with four digits: what lies behind it is no date to PostgreSQL's clients and to people. */
const LAST_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** A time in ms since 1970; 0 if it is none that can be stored. */
export function asTimeMs(ms: number): number {
  return Number.isSafeInteger(ms) && ms >= 0 && ms <= LAST_MS ? ms : 0;
}

/** When it is by a date that is written out (RFC 3339), in ms since 1970; 0 as above. */
export function asDateMs(value: unknown): number {
  return asTimeMs(Date.parse(asText(value)));
}

const NUMBER = /^-?\d{1,15}(?:\.\d{1,15})?$/;

/** A number as people read it, also one that is written as a text; `?` if it is none. */
export function asShownNumber(value: unknown): string {
  const isNumber = typeof value === 'number' ? Number.isFinite(value) : NUMBER.test(asText(value));
  return isNumber ? String(value) : '?';
}

/** Nobody's JSON is deeper. What is cannot be written again: `JSON.stringify` calls itself, and `JSON.parse` does not. */
const MAX_DEPTH = 200;

/** Whether a value can be written as JSON again. */
export function isWritable(value: unknown, depth = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  for (const item of Object.values(value)) if (!isWritable(item, depth - 1)) return false;
  return true;
}

/** The longest external id that is believed; Slack's have about 12 characters. */
const MAX_ID_CHARACTERS = 120;

/** An external id (no spaces, not too long), or `null`. */
export function asId(value: unknown, maxCharacters = MAX_ID_CHARACTERS): string | null {
  if (typeof value !== 'string' || value === '' || value.length > maxCharacters) return null;
  return ID.test(value) ? value : null;
}

const ID = /^[\x21-\x7e]+$/;
