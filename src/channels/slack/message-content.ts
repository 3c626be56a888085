import type { Attachment, Mention } from '../../core/channel-event.ts';
import { MAX_QUOTED_FILES, quotation, withQuotations } from '../quotation.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { textFromAttachments, textFromBlocks } from './blocks-text.ts';
import { tablesText } from './table-text.ts';
import { normaliseText } from './text.ts';

/** What somebody says with a message: their words, what they pasted, and what they share of others. */
export interface MessageContent {
  readonly text: string;
  /** In their own words: whom a shared message calls upon is not called upon by sharing it. */
  readonly mentions: readonly Mention[];
  readonly addressee: string | null;
  readonly attachments: readonly Attachment[];
}

/** Slack's client shares one message at a time; what has more was made otherwise. */
const MAX_SHARES = 5;
/** "What do you make of this?" is about all of it. */
const MAX_SHARED_CHARACTERS = 10_000;

/** Sources: https://docs.slack.dev/reference/events/message, …/messaging/formatting-message-text#attachments, recorded traffic */
export function contentOf(message: JsonRecord): MessageContent {
  const attached = asRecords(message.attachments);
  const shares = attached.filter((attachment) => isShared(attachment, message)).slice(0, MAX_SHARES);
  const said = normaliseText(asText(message.text) || textFromBlocks(message));
  const tables = [
    tablesText(message.blocks),
    // The composer's own, with a fallback text that says nothing. What a link brings has an address.
    ...attached.filter(({ from_url: link }) => link === undefined).map(({ blocks }) => tablesText(blocks)),
  ];
  const words = [said.text, ...tables].filter((part) => part !== '').join('\n\n');
  const text = withQuotations(shares.map(quoteOf), words);
  return {
    ...said,
    // Of a message that says nothing else, what an app attached to it.
    text: text || normaliseText(textFromAttachments(message)).text,
    attachments: [...parseFiles(message.files), ...shares.flatMap(sharedFiles)],
  };
}

/**
 * Whether a person shared the message that an attachment holds. `is_msg_unfurl` alone is Slack's own preview of a link to a
 * message; it is what was shared where nothing was said beside it.
 */
function isShared(attachment: JsonRecord, { text }: JsonRecord): boolean {
  return attachment.is_share === true || (attachment.is_msg_unfurl === true && asText(text) === '');
}

function quoteOf(attachment: JsonRecord): string {
  const blocks = asRecords(attachment.message_blocks).flatMap((entry) =>
    asRecords(asRecord(entry.message)?.blocks),
  );
  const markup = asText(attachment.text) || textFromBlocks({ blocks }) || textFromBlocks(attachment);
  const words = [normaliseText(markup).text, tablesText(blocks), tablesText(attachment.blocks)];
  const text =
    words.filter((part) => part !== '').join('\n\n') || normaliseText(asText(attachment.fallback)).text;
  const name = asText(attachment.author_name) || asText(attachment.author_subname) || null;
  return quotation(text, name, sharedFiles(attachment), MAX_SHARED_CHARACTERS);
}

function sharedFiles({ files }: JsonRecord): readonly Attachment[] {
  return parseFiles(files).slice(0, MAX_QUOTED_FILES);
}

/** Files of a message. In Slack Connect channels Slack may name nothing but the id (`check_file_info`). */
function parseFiles(files: unknown): readonly Attachment[] {
  if (!Array.isArray(files)) return [];
  const attachments: Attachment[] = [];
  for (const file of asRecords(files)) {
    const externalId = asId(file.id);
    if (externalId === null || file.mode === 'tombstone') continue;
    attachments.push({
      name: asText(file.name) || asText(file.title) || externalId,
      mediaType: asText(file.mimetype) || 'application/octet-stream',
      sizeBytes: Number.isSafeInteger(file.size) && Number(file.size) >= 0 ? Number(file.size) : null,
      externalId,
    });
  }
  return attachments;
}
