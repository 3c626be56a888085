import { KonstructError } from '../core/errors.ts';

/** Checks an option that is a day, if it was given. @throws KonstructError `usage_invalid` */
export function checkDay(name: string, day: string | undefined): void {
  if (day === undefined) return;
  const instant = /^\d{4}-\d{2}-\d{2}$/.test(day) ? new Date(`${day}T00:00:00Z`) : null;
  // 31 February is the 3rd of March to Date.
  if (instant && !Number.isNaN(instant.getTime()) && instant.toISOString().startsWith(day)) return;
  throw new KonstructError('usage_invalid', `--${name} is a day such as 2026-11-01, not "${day}".`);
}
