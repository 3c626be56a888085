import type { Attachment } from '../core/channel-event.ts';

const MAX_CHARACTERS = 1_000;
/** More files than this belong to no message that anybody quotes; each of them is read and named. */
export const MAX_QUOTED_FILES = 10;

/**
 * What another message says, as people quote: with a sign before each line, and not all of it if it is long. Its files are
 * named, as they come with the message that quotes it. Empty: it says nothing.
 */
export function quotation(
  text: string,
  name: string | null,
  files: readonly Attachment[] = [],
  maxCharacters = MAX_CHARACTERS,
): string {
  const cut = text.length > maxCharacters ? `${text.slice(0, maxCharacters).toWellFormed()}…` : text;
  const named = files.map((file) => inOneLine(file.name)).join(', ');
  const said = [cut, named === '' ? '' : `[attached: ${named}]`].filter((part) => part !== '').join('\n');
  if (said === '') return '';
  return `${name === null ? '' : `${inOneLine(name)}: `}${said}`.replace(/^/gm, '> ');
}

/** Quotations before what is said about them; what is empty is left out. */
export function withQuotations(quotations: readonly string[], text: string): string {
  return [...quotations, text].filter((part) => part !== '').join('\n\n');
}

function inOneLine(name: string): string {
  const line = name.replaceAll(/\s+/g, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200).toWellFormed()}…` : line;
}
