import type pg from 'pg';
import type { MessageEvent, Quotation } from '../core/channel-event.ts';
import type { ResolvedConnection } from '../core/connection-directory.ts';
import { storable } from '../core/storable.ts';
import { queryRows } from '../db/query-rows.ts';
import type { AdmitMessage } from './admit.ts';
import { storableAttachment } from './to-admit-message.ts';

const MAX_CHARACTERS = 1_000;
/** It was taken back, was said before the agent was there, or has passed its time. */
const GONE = '[a message that is not on record]';

/** What is on record of a message, whoever wrote it; `null`: nothing. */
export type FindQuoted = (messageId: string) => Promise<string | null>;

export type QuotedRecord = (
  connection: ResolvedConnection,
  channelId: string,
  messageId: string,
) => Promise<string | null>;

/** @throws KonstructError `database_unavailable` */
export function createQuotedRecord(pool: pg.Pool): QuotedRecord {
  return async ({ tenantId, id }, channelId, messageId) => {
    const rows = await queryRows<{ words: string | null }>(pool, {
      name: 'find_words',
      text: 'select find_words($1, $2, $3, $4) as words',
      values: [tenantId, id, channelId, messageId],
    });
    return rows[0]?.words ?? null;
  };
}

/** A message with what it is about. Not before it was looked at for a wish: "stop" stops, whatever it replies to. */
export async function withQuotation(
  message: AdmitMessage,
  { quotes }: MessageEvent,
  agentUserIds: ReadonlySet<string>,
  find: FindQuoted,
): Promise<AdmitMessage> {
  if (quotes === undefined) return message;
  return {
    ...message,
    content: await belowQuotation(message.content, quotes, agentUserIds, find),
    attachments: [...message.attachments, ...quotes.attachments.map(storableAttachment)],
  };
}

/** A text as the agent reads it: below what it is about. */
export async function belowQuotation(
  text: string,
  quotes: Quotation | undefined,
  agentUserIds: ReadonlySet<string>,
  find: FindQuoted,
): Promise<string> {
  if (quotes === undefined) return text;
  const quoted = storable((await wordsOf(quotes, agentUserIds, find)).trim());
  if (quoted === '') return text;
  const shown =
    quoted.length > MAX_CHARACTERS ? `${quoted.slice(0, MAX_CHARACTERS).toWellFormed()}…` : quoted;
  const name = quotes.name === null ? '' : `${storable(quotes.name).replaceAll('\n', ' ')}: `;
  return `${`${name}${shown}`.replace(/^/gm, '> ')}\n\n${text}`;
}

async function wordsOf(
  { messageId, senderId, text, attachments }: Quotation,
  agentUserIds: ReadonlySet<string>,
  find: FindQuoted,
): Promise<string> {
  if (text === null) return (messageId === null ? null : await find(messageId)) ?? GONE;
  if (senderId !== null && agentUserIds.has(senderId)) return '';
  return text || attachments.map(({ name }) => `[${name}]`).join(' ');
}
