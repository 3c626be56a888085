import type { Attachment } from '../../core/channel-event.ts';
import { MAX_QUOTED_FILES, quotation } from '../quotation.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { attachmentOf } from './attachments.ts';
import { asUser } from './ids.ts';

export interface Quote {
  /** Empty: nothing is quoted. */
  readonly text: string;
  readonly attachments: readonly Attachment[];
}

/**
 * What a message replies to or passes on. An app cannot read what was said before, so this is all the agent may ever see of
 * it. Files come along with what is passed on only.
 *
 * Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages#QuotedMessageSnapshot
 */
export function quoteOf(message: JsonRecord): Quote {
  const snapshot = asRecord(asRecord(message.quotedMessageMetadata)?.quotedMessageSnapshot);
  if (snapshot === null) return { text: '', attachments: [] };
  const attachments = asRecords(snapshot.attachments).flatMap(attachmentOf).slice(0, MAX_QUOTED_FILES);
  // The author's name by the documentation, and nobody's number.
  const name = asUser(snapshot.sender) === null ? asText(snapshot.sender) || null : null;
  return { text: quotation(asText(snapshot.text).trim(), name, attachments), attachments };
}
