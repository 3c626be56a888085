import { asRecord, asRecords, asText, type JsonRecord, readRecord } from '../read-json.ts';
import { readHtml, type TeamsQuote } from './html-text.ts';

const MAX_QUOTES = 5;

/**
 * What a message replies to and passes on. Teams says it in several ways, some of them at once: as an entity, within the HTML, and
 * as references beside it; of each kind the first that says anything is taken.
 *
 * Source: https://learn.microsoft.com/dotnet/api/microsoft.teams.apps.schema.entities.quotedreplydata,
 * https://learn.microsoft.com/graph/api/resources/chatmessageattachment
 */
export function quotesOf(activity: JsonRecord, inHtml: readonly TeamsQuote[]): readonly TeamsQuote[] {
  const replies = [
    asRecords(activity.entities).flatMap(quotedReply),
    inHtml.filter(({ kind }) => kind === 'reply'),
    referencesOf(activity, 'messageReference').map(({ messagePreview, messageSender }) => ({
      kind: 'reply' as const,
      name: senderName(messageSender),
      text: asText(messagePreview),
    })),
  ];
  const forwards = [
    referencesOf(activity, 'forwardedMessageReference').map(
      ({ originalMessageContent, originalMessageSender }) => ({
        kind: 'forward' as const,
        name: senderName(originalMessageSender),
        text: readHtml(asText(originalMessageContent)).text,
      }),
    ),
    inHtml.filter(({ kind }) => kind === 'forward'),
  ];
  return [replies, forwards].flatMap((ways) => ways.map(saying).find((quotes) => quotes.length > 0) ?? []);
}

function saying(quotes: readonly TeamsQuote[]): readonly TeamsQuote[] {
  return quotes.filter(({ text }) => text.trim() !== '').slice(0, MAX_QUOTES);
}

/** What was deleted meanwhile has no preview. */
function quotedReply(entity: JsonRecord): readonly TeamsQuote[] {
  const quoted = asRecord(entity.quotedReply);
  if (entity.type !== 'quotedReply' || quoted === null) return [];
  return [{ kind: 'reply', name: asText(quoted.senderName) || null, text: asText(quoted.preview) }];
}

/** Their content is JSON within the JSON. */
function referencesOf(activity: JsonRecord, contentType: string): readonly JsonRecord[] {
  return asRecords(activity.attachments)
    .filter((attachment) => attachment.contentType === contentType)
    .map(({ content }) => asRecord(content) ?? readRecord(asText(content)))
    .filter((content) => content !== null);
}

function senderName(sender: unknown): string | null {
  return asText(asRecord(asRecord(sender)?.user)?.displayName) || null;
}
