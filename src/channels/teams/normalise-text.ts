import type { Mention } from '../../core/channel-event.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asTeamsId } from './conversation-id.ts';

export interface NormalisedText {
  readonly text: string;
  readonly mentions: readonly Mention[];
  readonly addressee: string | null;
}

interface Mentioned extends Mention {
  /** What stands in the text for it. */
  readonly tag: string;
}

const TAG = /<at(?:\s[^>]{0,200})?>([^<]{0,400})<\/at>/g;
const ENTITY = /&(amp|lt|gt|quot|apos|nbsp|#39|#160);/g;
const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  '#39': "'",
  nbsp: ' ',
  '#160': ' ',
};

/**
 * An activity's text with its mentions as `@` and an id. Who is mentioned stands beside the text (`entities`), in its
 * order; a tag without such an entity is only a name.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/channel-and-group-conversations#work-with-mentions
 */
export function normaliseText(activity: JsonRecord): NormalisedText {
  const left = asRecords(activity.entities).flatMap(mentionOf);
  const mentions = new Map<string, Mention>();
  let addressee: string | null = null;
  const written = asText(activity.text);
  const text = written.replace(TAG, (tag, name: string, offset: number) => {
    const index = left.findIndex((mention) => mention.tag === tag);
    const [mention] = index === -1 ? [] : left.splice(index, 1);
    if (mention === undefined) return name;
    const { externalId } = mention;
    if (!mentions.has(externalId)) mentions.set(externalId, { externalId, name: mention.name });
    if (written.slice(0, offset).trim() === '') addressee = externalId;
    // An id must not run into the word behind it.
    return `@${externalId}${/^[\w-]/.test(written.slice(offset + tag.length)) ? ' ' : ''}`;
  });
  return { text: plain(text), mentions: [...mentions.values()], addressee };
}

function plain(text: string): string {
  return text
    .replace(ENTITY, (_entity, name: string) => entities[name] ?? '')
    .replaceAll('\u00a0', ' ')
    .replaceAll('\r\n', '\n')
    .trim();
}

function mentionOf(entity: JsonRecord): readonly Mentioned[] {
  const mentioned = asRecord(entity.mentioned);
  const externalId = asTeamsId(mentioned?.id);
  if (entity.type !== 'mention' || externalId === null || typeof entity.text !== 'string') return [];
  return [{ externalId, name: asText(mentioned?.name) || null, tag: entity.text }];
}
