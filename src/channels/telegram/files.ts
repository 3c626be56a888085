import { randomBytes } from 'node:crypto';
import type { Attachment } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, FetchedFile, OutboundFile, PostedMessage } from '../../core/outbound.ts';
import { multipart } from '../multipart.ts';
import { asRecord, asText } from '../read-json.ts';
import { FILE_TIMEOUT_MS, type TelegramClient } from './client.ts';
import { asInteger } from './ids.ts';
import { isRefusal, placeOf, replyArguments } from './send.ts';
import { unavailable } from './telegram-error.ts';

const MEGABYTE = 1024 * 1024;
/** What a bot may fetch and send. Source: https://core.telegram.org/bots/api#sending-files */
export const MAX_INCOMING_BYTES = 20 * MEGABYTE;
export const MAX_OUTGOING_BYTES = 50 * MEGABYTE;
const MAX_PHOTO_BYTES = 10 * MEGABYTE;
const PHOTOS = new Set(['image/jpeg', 'image/png']);

/**
 * Fetches what somebody sent. Telegram names a path below the Bot API's own address, so the token goes nowhere else.
 *
 * Source: https://core.telegram.org/bots/api#getfile
 *
 * @throws KonstructError `attachment_too_large`, and as `TelegramClient.call`
 */
export async function fetchFile(
  client: TelegramClient,
  access: ConnectionAccess,
  { externalId, mediaType }: Attachment,
  { maxBytes }: { readonly maxBytes: number },
  signal: AbortSignal,
): Promise<FetchedFile> {
  const call = { method: 'getFile', arguments: { file_id: externalId }, idempotent: true, place: null };
  const file = asRecord(
    await client.call(access, call, signal).catch((error: unknown) => {
      throw isRefusal(error, 'file_too_large')
        ? new KonstructError('attachment_too_large', undefined, { cause: error })
        : error;
    }),
  );
  if ((asInteger(file?.file_size) ?? 0) > maxBytes) throw new KonstructError('attachment_too_large');
  const { bytes, isCut } = await client.download(access, asText(file?.file_path), maxBytes, signal);
  if (isCut) throw new KonstructError('attachment_too_large');
  return { mediaType, content: bytes };
}

/**
 * Sends a file, as a reply like any answer: pictures so that they are seen, unless Telegram does not take one as such.
 *
 * Sources: https://core.telegram.org/bots/api#senddocument, https://core.telegram.org/bots/api#sendphoto
 *
 * @throws KonstructError `attachment_too_large`, and as `TelegramClient.call`
 */
export async function sendFile(
  client: TelegramClient,
  access: ConnectionAccess,
  file: OutboundFile,
  signal: AbortSignal,
): Promise<PostedMessage> {
  if (file.content.length > MAX_OUTGOING_BYTES) throw new KonstructError('attachment_too_large');
  const isPhoto = PHOTOS.has(file.mediaType) && file.content.length <= MAX_PHOTO_BYTES;
  if (!isPhoto) return send(client, access, file, 'document', signal);
  try {
    return await send(client, access, file, 'photo', signal);
  } catch (error) {
    if (!isRefusal(error, 'photo_refused')) throw error; // too large in pixels, for example
    return send(client, access, file, 'document', signal);
  }
}

async function send(
  client: TelegramClient,
  access: ConnectionAccess,
  { target, name: fileName, mediaType, content, mayStillSend }: OutboundFile,
  kind: 'document' | 'photo',
  signal: AbortSignal,
): Promise<PostedMessage> {
  const method = kind === 'photo' ? 'sendPhoto' : 'sendDocument';
  const place = placeOf(target, method);
  const values = {
    chat_id: place.chatId,
    ...(place.topicId === null ? {} : { message_thread_id: place.topicId }),
    ...replyArguments(place, target.threadId),
  };
  const fields = Object.entries(values).map(([name, value]) => ({
    name,
    value: typeof value === 'object' ? JSON.stringify(value) : String(value),
  }));
  const form = multipart(
    [...fields, { name: kind, fileName, mediaType, content }],
    randomBytes(16).toString('hex'),
  );
  const call = {
    method,
    arguments: {},
    form,
    idempotent: false,
    place,
    mayStillSend,
    timeoutMs: FILE_TIMEOUT_MS,
  };
  const messageId = asInteger(asRecord(await client.call(access, call, signal))?.message_id);
  if (messageId === null) throw unavailable(method, 'message_id_missing', true);
  return { messageId: String(messageId) };
}
