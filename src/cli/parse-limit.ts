import { KonstructError } from '../core/errors.ts';

const MAX_LIMIT = 10_000;

/** Reads the option `--limit`. @throws KonstructError `usage_invalid` */
export function parseLimit(text: string): number {
  const limit = /^\d+$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new KonstructError('usage_invalid', `--limit is a number from 1 to ${MAX_LIMIT}, not "${text}".`);
}
