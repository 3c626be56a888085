import { randomBytes } from 'node:crypto';
import type { Attachment } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, FetchedFile, OutboundFile, PostedMessage } from '../../core/outbound.ts';
import { multipart } from '../multipart.ts';
import { asRecord, asRecords } from '../read-json.ts';
import { FILE_TIMEOUT_MS, type MattermostClient } from './client.ts';
import { asMattermostId } from './ids.ts';
import { isRefusal, rejected, unavailable } from './mattermost-error.ts';
import { createPost, markerProps, placeOf } from './send.ts';

/**
 * What a server takes unless its operator says otherwise. `konstruct doctor` tells where that is less.
 *
 * Source: https://docs.mattermost.com/configure/file-storage-configuration-settings.html
 */
export const MAX_FILE_BYTES = 100 * 1024 * 1024;

/**
 * Fetches what was attached to a post. It lies at the connection's own server, below its API.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/GetFile
 *
 * @throws KonstructError `attachment_too_large`, and as `MattermostClient.call`
 */
export async function fetchFile(
  client: MattermostClient,
  access: ConnectionAccess,
  { externalId, mediaType }: Attachment,
  { maxBytes }: { readonly maxBytes: number },
  signal: AbortSignal,
): Promise<FetchedFile> {
  const fileId = asMattermostId(externalId);
  if (fileId === null) throw rejected('files.get', 'file_not_found');
  const { bytes, isCut } = await client.download(access, fileId, maxBytes, signal);
  if (isCut || bytes.length > maxBytes)
    throw new KonstructError('attachment_too_large', undefined, { details: { maxBytes } });
  return { content: bytes, mediaType };
}

/**
 * Sends a file: it is uploaded, which nobody sees and which may be repeated, and then posted.
 *
 * Source: https://developers.mattermost.com/api-documentation/#/operations/UploadFile
 *
 * @throws KonstructError `attachment_too_large`, and as `MattermostClient.call`
 */
export async function sendFile(
  client: MattermostClient,
  access: ConnectionAccess,
  { target, name: fileName, mediaType, content, marker, mayStillSend }: OutboundFile,
  signal: AbortSignal,
): Promise<PostedMessage> {
  if (content.length > MAX_FILE_BYTES) throw new KonstructError('attachment_too_large');
  const name = 'files.upload';
  const { channel_id: channelId } = placeOf(target, name);
  const form = multipart(
    [
      { name: 'channel_id', value: String(channelId) },
      { name: 'files', fileName, mediaType, content },
    ],
    randomBytes(16).toString('hex'),
  );
  const timeoutMs = FILE_TIMEOUT_MS;
  const call = {
    name,
    method: 'POST',
    path: '/files',
    form,
    idempotent: true,
    mayStillSend,
    timeoutMs,
  } as const;
  const uploaded = asRecord(
    await client.call(access, call, signal).catch((error: unknown) => {
      throw isTooLarge(error)
        ? new KonstructError('attachment_too_large', undefined, { cause: error })
        : error;
    }),
  );
  const [file] = asRecords(uploaded?.file_infos);
  const fileId = asMattermostId(file?.id);
  if (fileId === null) throw unavailable(name, 'file_id_missing', false);
  const body = { message: '', file_ids: [fileId], props: markerProps(marker) };
  return createPost(client, access, { target, marker, mayStillSend, body }, signal);
}

/** Its own word for it, and that of a proxy which takes less. */
function isTooLarge(error: unknown): boolean {
  return (
    isRefusal(error, 'api.file.upload_file.too_large_detailed.app_error') ||
    isRefusal(error, 'api.file.upload_file.too_large.app_error') ||
    isRefusal(error, 'http_413')
  );
}
