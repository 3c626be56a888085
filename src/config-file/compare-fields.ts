import type { FieldChange } from './plan.ts';

const LONGEST_SHOWN = 40;

type FieldValue = string | number | boolean | null | undefined;

/** The fields whose values differ, in the order of the first object's keys. Values are shown where they are short. */
export function compareFields(
  from: Readonly<Record<string, FieldValue>>,
  to: Readonly<Record<string, FieldValue>>,
): FieldChange[] {
  const fields = new Set([...Object.keys(from), ...Object.keys(to)]);
  return [...fields]
    .filter((field) => (from[field] ?? null) !== (to[field] ?? null))
    .map((field) => {
      const [before, after] = [show(from[field]), show(to[field])];
      return before === null || after === null ? { field } : { field, from: before, to: after };
    });
}

/** `null`: too long for one line of a diff. */
function show(value: FieldValue): string | null {
  if (value === null || value === undefined) return 'none';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > LONGEST_SHOWN || text.includes('\\n') ? null : text;
}
