import type { ControlUser } from '../../../../src/simulator/control-api.ts';

/** An `@name` that is being written at the caret. */
export interface MentionQuery {
  /** Index of the `@`. */
  readonly start: number;
  readonly end: number;
  /** What stands after the `@`, in lower case. */
  readonly text: string;
}

export function mentionAt(text: string, caret: number): MentionQuery | null {
  const match = /(?:^|[\s([{'"])@([\p{L}\p{N}._-]{0,40})$/u.exec(text.slice(0, caret));
  if (!match) return null;
  const written = match[1] ?? '';
  return { start: caret - written.length - 1, end: caret, text: written.toLowerCase() };
}

/** Who fits, the agent first: by the beginning of the handle or of any part of the name. */
export function matchingUsers(users: readonly ControlUser[], query: MentionQuery): readonly ControlUser[] {
  const fits = ({ handle, name }: ControlUser): boolean =>
    [handle, ...name.split(/\s+/)].some((word) => word.toLowerCase().startsWith(query.text));
  return users.filter(fits).toSorted((a, b) => Number(b.isAgent) - Number(a.isAgent));
}

/** How a person types the mention: the name where it is the handle (`@Ada`), the handle otherwise (`@mara`). */
export function mentionText({ handle, name }: ControlUser): string {
  return `@${name.toLowerCase() === handle.toLowerCase() ? name : handle}`;
}

export function insertMention(
  text: string,
  query: MentionQuery,
  user: ControlUser,
): { readonly text: string; readonly caret: number } {
  const before = `${text.slice(0, query.start)}${mentionText(user)} `;
  return { text: before + text.slice(query.end).replace(/^ /, ''), caret: before.length };
}
