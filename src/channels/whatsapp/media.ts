import { createHash, randomBytes } from 'node:crypto';
import type { Attachment } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, FetchedFile, OutboundFile, PostedMessage } from '../../core/outbound.ts';
import { multipart } from '../multipart.ts';
import { asId, asText, type JsonRecord } from '../read-json.ts';
import type { GraphClient } from './client.ts';
import { rejected, unavailable } from './graph-error.ts';
import { send } from './send.ts';

const MEGABYTE = 1024 * 1024;
/** Of documents, which may be largest. */
export const MAX_FILE_BYTES = 100 * MEGABYTE;

/** What WhatsApp shows by itself, with its limits; everything else is a document. */
const shown: Readonly<Record<string, { readonly type: string; readonly maxBytes: number }>> = {
  'image/jpeg': { type: 'image', maxBytes: 5 * MEGABYTE },
  'image/png': { type: 'image', maxBytes: 5 * MEGABYTE },
  'audio/aac': { type: 'audio', maxBytes: 16 * MEGABYTE },
  'audio/amr': { type: 'audio', maxBytes: 16 * MEGABYTE },
  'audio/mpeg': { type: 'audio', maxBytes: 16 * MEGABYTE },
  'audio/mp4': { type: 'audio', maxBytes: 16 * MEGABYTE },
  'audio/ogg': { type: 'audio', maxBytes: 16 * MEGABYTE },
  'video/mp4': { type: 'video', maxBytes: 16 * MEGABYTE },
  'video/3gpp': { type: 'video', maxBytes: 16 * MEGABYTE },
};
const documents = new Set([
  'text/plain',
  'application/pdf',
  'application/msword',
  'application/vnd.ms-excel',
  'application/vnd.ms-powerpoint',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation',
]);
/** Text by another name: WhatsApp takes it as text, and its name still says what it is. */
const TEXT = /^(?:text\/.+|application\/(?:json|xml|x?yaml|x-ndjson|javascript|sql|.+\+(?:json|xml)))$/;

/**
 * Fetches what somebody sent: Graph names an address, which is good for five minutes and wants the token. So the address
 * must be WhatsApp's.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
 *
 * @throws KonstructError `attachment_too_large`, and as `GraphClient.call`
 */
export async function fetchMedia(
  client: GraphClient,
  access: ConnectionAccess,
  file: Attachment,
  { maxBytes }: { readonly maxBytes: number },
  signal: AbortSignal,
): Promise<FetchedFile> {
  const name = 'media';
  if (!/^[\w.-]{1,120}$/.test(file.externalId)) throw rejected(name, 'media_unknown');
  const path = `/${file.externalId}?phone_number_id=${encodeURIComponent(access.externalId)}`;
  const call = { name, httpMethod: 'GET', path, ofNumber: false, idempotent: true, personId: null } as const;
  const media = await client.call(access, call, signal);
  if (Number(media.file_size ?? 0) > maxBytes) throw new KonstructError('attachment_too_large');
  const { bytes, isCut } = await client.download(access, asText(media.url), maxBytes, signal);
  if (isCut) throw new KonstructError('attachment_too_large');
  if (!isWhole(bytes, media)) throw unavailable('media_download', 'media_damaged', false);
  return { mediaType: asText(media.mime_type).split(';', 1)[0]?.trim() || file.mediaType, content: bytes };
}

/** Graph names a hash, in hex as it says, in base64 as its messages do. */
function isWhole(bytes: Uint8Array, { sha256 }: JsonRecord): boolean {
  if (typeof sha256 !== 'string' || sha256 === '') return true;
  const hash = createHash('sha256').update(bytes).digest();
  return sha256 === hash.toString('base64') || sha256.toLowerCase() === hash.toString('hex');
}

/**
 * Uploads a file and sends it, as what WhatsApp can show or as a document.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
 *
 * @throws KonstructError `attachment_too_large`, and as `GraphClient.call`
 */
export async function sendFile(
  client: GraphClient,
  access: ConnectionAccess,
  { target, name: fileName, mediaType, content, marker, mayStillSend }: OutboundFile,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const { type, uploadType, maxBytes } = kindOf(mediaType.toLowerCase());
  if (content.length > maxBytes) throw new KonstructError('attachment_too_large');
  const form = multipart(
    [
      { name: 'messaging_product', value: 'whatsapp' },
      { name: 'type', value: uploadType },
      { name: 'file', fileName, mediaType: uploadType, content },
    ],
    randomBytes(16).toString('hex'),
  );
  // What is uploaded twice nobody sees: it is gone in 30 days.
  const upload = {
    name: 'upload',
    httpMethod: 'POST',
    path: '/media',
    body: form,
    idempotent: true,
  } as const;
  const uploaded = await client.call(
    access,
    { ...upload, personId: null, mayStillSend, timeoutMs: UPLOAD_TIMEOUT_MS },
    signal,
  );
  const id = asId(uploaded.id);
  if (id === null) throw unavailable('upload', 'media_id_missing', false);
  const body = { type, [type]: { id, ...(type === 'document' && { filename: fileName }) } };
  const { deliveryId } = marker;
  return send(client, access, { name: 'file', target, body, deliveryId, mayStillSend }, signal);
}

/** For 100 MB. */
const UPLOAD_TIMEOUT_MS = 60_000;

function kindOf(mediaType: string): { type: string; uploadType: string; maxBytes: number } {
  const kind = Object.hasOwn(shown, mediaType) ? shown[mediaType] : undefined;
  if (kind !== undefined) return { ...kind, uploadType: mediaType };
  const document = { type: 'document', maxBytes: MAX_FILE_BYTES };
  if (documents.has(mediaType)) return { ...document, uploadType: mediaType };
  if (TEXT.test(mediaType)) return { ...document, uploadType: 'text/plain' };
  throw rejected('upload', 'media_type_unsupported');
}
