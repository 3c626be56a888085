import type { Mention } from '../../core/channel-event.ts';
import { quotation, withQuotations } from '../quotation.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asTeamsId } from './conversation-id.ts';
import { cardText } from './describe-content.ts';
import { type HtmlText, hasQuotedBlock, readHtml, withoutMarkers } from './html-text.ts';
import { quotesOf } from './quotes.ts';

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
const ENTITY = /&(?:(amp|lt|gt|quot|apos|nbsp)|#(\d{1,7})|#x([\da-f]{1,6}));/gi;
const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
};

const NO_HTML: HtmlText = { text: '', quotes: [] };

/**
 * What an activity says: the quotations of what it replies to and passes on, and then its text with mentions as `@` and an id.
 * Who is mentioned stands beside the text (`entities`), in its order; a tag without such an entity is only a name.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/channel-and-group-conversations#work-with-mentions
 */
export function normaliseText(activity: JsonRecord): NormalisedText {
  const given = asText(activity.text);
  const isHtml = hasQuotedBlock(given);
  const plainly = isHtml ? '' : withoutMarkers(given);
  const source = isHtml ? given : htmlOf(activity);
  // Most messages say the same in both ways.
  const html = plainly.trim() === '' || hasQuotedBlock(source) ? readHtml(source) : NO_HTML;
  const { mentions, addressee, ...read } = withMentions(
    plainly.trim() === '' ? html.text : plainly,
    activity,
  );
  // The plain text repeats what is passed on without a word that it is.
  const isPassedOn = html.quotes.some(({ kind }) => kind === 'forward');
  const own = isPassedOn ? withMentions(html.text, activity).text : read.text;
  const quotations = quotesOf(activity, html.quotes).map(({ name, text }) =>
    quotation(plain(withoutTags(text)), name === null ? null : plain(name)),
  );
  const said = [own, cardText(activity)].filter((part) => part !== '').join('\n\n');
  return { text: withQuotations(quotations, said), mentions, addressee };
}

function withMentions(written: string, activity: JsonRecord): NormalisedText {
  const left = asRecords(activity.entities).flatMap(mentionOf);
  const mentions = new Map<string, Mention>();
  let addressee: string | null = null;
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

/** The same text as HTML, which Teams sends beside the plain one. */
function htmlOf(activity: JsonRecord): string {
  const [html = ''] = asRecords(activity.attachments)
    .filter(({ contentType }) => contentType === 'text/html')
    .map(({ content }) => asText(content));
  return html;
}

/** Whoever is mentioned in what is quoted is not mentioned by it. */
function withoutTags(text: string): string {
  return text.replace(TAG, (_tag, name: string) => name);
}

function plain(text: string): string {
  return text
    .replace(ENTITY, (whole, name?: string, decimal?: string, hex?: string) => {
      if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
      return code > 0 && code <= 0x10_ff_ff ? asText(String.fromCodePoint(code)) : '';
    })
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
