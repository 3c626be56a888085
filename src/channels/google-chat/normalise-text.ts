import type { Mention } from '../../core/channel-event.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asUser } from './ids.ts';

export interface NormalisedText {
  readonly text: string;
  readonly mentions: readonly Mention[];
  readonly addressee: string | null;
  /** Chat apps that are mentioned, in order, each once. */
  readonly apps: readonly string[];
}

interface Place {
  readonly start: number;
  readonly end: number;
  readonly externalId: string;
  readonly name: string | null;
  readonly isApp: boolean;
}

/**
 * A message's text with its mentions as `@` and an id. Where they stand is told beside it, in UTF-16 units.
 *
 * Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages#Annotation
 */
export function normaliseText(message: JsonRecord): NormalisedText {
  const written = typeof message.text === 'string' ? message.text : '';
  const places = asRecords(message.annotations)
    .flatMap((annotation) => placeOf(annotation, written))
    .sort((a, b) => a.start - b.start);
  const mentions = new Map<string, Mention>();
  const apps = new Set<string>();
  let addressee: string | null = null;
  let text = '';
  let at = 0;
  for (const { start, end, externalId, name, isApp } of places) {
    if (start < at) continue; // what overlaps is not Chat's
    text += written.slice(at, start);
    if (text.trim() === '') addressee = externalId;
    if (!mentions.has(externalId)) mentions.set(externalId, { externalId, name });
    if (isApp) apps.add(externalId);
    // An id must not run into the word behind it.
    text += `@${externalId}${/^[\w.@-]/.test(written.slice(end)) ? ' ' : ''}`;
    at = end;
  }
  text = asText(`${text}${written.slice(at)}`).trim();
  return { text, mentions: [...mentions.values()], addressee, apps: [...apps] };
}

function placeOf(annotation: JsonRecord, written: string): readonly Place[] {
  const user = asRecord(asRecord(annotation.userMention)?.user);
  const externalId = asUser(user?.name);
  const { startIndex: start = 0, length } = annotation;
  if (annotation.type !== 'USER_MENTION' || externalId === null) return [];
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(length)) return [];
  const end = Number(start) + Number(length);
  if (Number(start) < 0 || Number(length) < 1 || end > written.length) return [];
  const name = asText(user?.displayName) || null;
  return [{ start: Number(start), end, externalId, name, isApp: user?.type === 'BOT' }];
}
