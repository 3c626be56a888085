import { randomBytes } from 'node:crypto';
import type { Attachment } from '../../core/channel-event.ts';
import { isKonstructError, KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, FetchedFile, OutboundFile, PostedMessage } from '../../core/outbound.ts';
import { download } from '../download.ts';
import { multipart } from '../multipart.ts';
import { asRecord, asText } from '../read-json.ts';
import { filesOf, parseRef } from './attachments.ts';
import { FILE_TIMEOUT_MS } from './client.ts';
import { withMark } from './delivery-mark.ts';
import { discordErrors, isRefusal, rejected } from './discord-error.ts';
import { asSnowflake } from './ids.ts';
import { createMessage, type Sending } from './send.ts';

const MEBIBYTE = 1024 * 1024;
/** What Discord has taken everywhere since 2024; by now it takes 20 MiB, and more in servers with boosts. Source: https://discord.com/developers/docs/reference#uploading-files */
export const MAX_OUTGOING_BYTES = 10 * MEBIBYTE;
/** People with Nitro may send 500 MiB. */
export const MAX_INCOMING_BYTES = 100 * MEBIBYTE;
/** Where Discord keeps files. */
const FILE_HOSTS = ['cdn.discordapp.com', 'media.discordapp.net'];

/**
 * Fetches what somebody sent. Its address is signed and ends after a day, so it is asked for anew; it gets no token.
 *
 * @throws KonstructError `attachment_too_large`, `platform_rejected`, and as `DiscordClient.call`
 */
export async function fetchFile(
  { client, apiUrl }: Sending & { readonly apiUrl: string },
  access: ConnectionAccess,
  { externalId, mediaType }: Attachment,
  { maxBytes }: { readonly maxBytes: number },
  signal: AbortSignal,
): Promise<FetchedFile> {
  const name = 'get attachment';
  const ref = parseRef(externalId);
  if (ref === null) throw rejected(name, 'file_not_found');
  const path = ['channels', ref.channelId, 'messages', ref.messageId];
  const message = asRecord(
    await client.call(access, { name, method: 'GET', path, idempotent: true }, signal),
  );
  const file =
    message === null ? undefined : filesOf(message).find(({ id }) => asSnowflake(id) === ref.attachmentId);
  if (file === undefined) throw rejected(name, 'file_not_found');
  if (typeof file.size === 'number' && file.size > maxBytes)
    throw new KonstructError('attachment_too_large', undefined, { details: { maxBytes } });
  const url = addressOf(file.url, apiUrl);
  if (url === null) throw rejected(name, 'file_address_foreign');
  const timeoutMs = FILE_TIMEOUT_MS;
  const options = { url, headers: {}, maxBytes, timeoutMs, http: client.http, errors: discordErrors };
  const fetched = await download(options, signal);
  return { mediaType, content: fetched.content };
}

/** `null`: it leads elsewhere than to Discord, or to where its API is said to be. */
function addressOf(value: unknown, apiUrl: string): URL | null {
  const text = asText(value);
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  const isDiscord = url.protocol === 'https:' && url.port === '' && FILE_HOSTS.includes(url.hostname);
  return isDiscord || url.origin === new URL(apiUrl).origin ? url : null;
}

/**
 * Sends a file.
 *
 * Source: https://discord.com/developers/docs/reference#uploading-files
 *
 * @throws KonstructError `attachment_too_large`, and as `DiscordClient.call`
 */
export async function sendFile(
  sending: Sending,
  access: ConnectionAccess,
  { target, name, mediaType, content, marker, mayStillSend }: OutboundFile,
  signal: AbortSignal,
): Promise<PostedMessage> {
  if (content.length > MAX_OUTGOING_BYTES) throw new KonstructError('attachment_too_large');
  const body = { attachments: [{ id: 0, filename: name, description: withMark(name, marker.deliveryId) }] };
  const form = (whole: Readonly<Record<string, unknown>>) =>
    multipart(
      [
        { name: 'payload_json', value: JSON.stringify(whole) },
        { name: 'files[0]', fileName: name, mediaType, content },
      ],
      randomBytes(16).toString('hex'),
    );
  try {
    const message = { body, marker, form, mayStillSend, timeoutMs: FILE_TIMEOUT_MS };
    return await createMessage(sending, access, target, message, signal);
  } catch (error) {
    if (isRefusal(error, 'file_too_large') && isKonstructError(error))
      throw new KonstructError('attachment_too_large', undefined, { cause: error });
    throw error;
  }
}
