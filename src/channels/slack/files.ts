import type { Attachment } from '../../core/channel-event.ts';
import type { Sleep } from '../../core/clock.ts';
import { KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, FetchedFile, OutboundFile, PostedMessage } from '../../core/outbound.ts';
import type { HttpAnswer, HttpCall, KeptAliveHttp } from '../kept-alive-http.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { TransportError } from '../transport-error.ts';
import type { SlackClient } from './client.ts';
import { withInvisibleMark } from './invisible-mark.ts';
import { MAX_FILE_BYTES } from './limits.ts';
import { isSlackAddress } from './slack-address.ts';
import { fromStatus, fromTransport, rejected, unavailable } from './slack-failure.ts';
import { timestampId } from './timestamp.ts';

export interface SlackFiles {
  fetch(
    access: ConnectionAccess,
    file: Attachment,
    limits: { readonly maxBytes: number },
    signal: AbortSignal,
  ): Promise<FetchedFile>;
  upload(access: ConnectionAccess, file: OutboundFile, signal: AbortSignal): Promise<PostedMessage>;
}

const TRANSFER_MS = 60_000;
const DOWNLOAD = 'file_download';
const UPLOAD = 'file_upload';
/** Slack shares a file a moment after it has said that it will. */
const SHARE_WAITS_MS = [0, 300, 700, 1_500, 3_000] as const;

export function createSlackFiles(parts: {
  readonly client: SlackClient;
  readonly http: KeptAliveHttp;
  readonly apiUrl: string;
  readonly sleep: Sleep;
}): SlackFiles {
  const { client, http, apiUrl, sleep } = parts;

  async function exchange(
    address: string,
    call: Pick<HttpCall, 'method' | 'headers' | 'body' | 'signal'> & { readonly maxBytes?: number },
    name: string,
  ): Promise<HttpAnswer> {
    if (!isSlackAddress(address, apiUrl)) throw rejected(name, 'address_not_slacks');
    const { origin, pathname, search } = new URL(address);
    try {
      return await http.exchange({ ...call, base: origin, path: pathname + search, timeoutMs: TRANSFER_MS });
    } catch (error) {
      throw error instanceof TransportError ? fromTransport(error, name) : error;
    }
  }

  const info = async (access: ConnectionAccess, id: string, signal: AbortSignal): Promise<JsonRecord> => {
    const call = { method: 'files.info', arguments: { file: id }, idempotent: true };
    return asRecord((await client.call(access, call, signal)).file) ?? {};
  };

  return {
    /**
     * What somebody attached: by its id, since the address in an event may be missing (Slack Connect) or old. The file's host
     * is asked with the token and with no other.
     *
     * Source: https://docs.slack.dev/reference/objects/file-object, https://docs.slack.dev/reference/methods/files.info
     */
    async fetch(access, { externalId, mediaType }, { maxBytes }, signal) {
      if (!/^[\w-]{1,40}$/.test(externalId)) throw rejected('files.info', 'file_not_found');
      const file = await info(access, externalId, signal);
      const size = Number(file.size ?? 0);
      if (size > maxBytes) throw new KonstructError('attachment_too_large');
      const address = asText(file.url_private_download) || asText(file.url_private);
      // A link to somebody else's storage, or one of Slack's own documents: there is no file behind it.
      if (address === '' || file.is_external === true) throw rejected(DOWNLOAD, 'file_not_hosted');
      return client.withToken(access, DOWNLOAD, signal, async (token) => {
        const headers = { authorization: `Bearer ${token}` };
        const call = { method: 'GET', headers, body: '', signal, maxBytes };
        const answer = await exchange(address, call, DOWNLOAD);
        if (answer.isCut) throw new KonstructError('attachment_too_large');
        // A redirect leads to the page where people sign in.
        if (answer.status >= 300 && answer.status < 400) throw unreadable();
        if (answer.status !== 200) throw fromStatus(answer.status, DOWNLOAD);
        const served = asText(answer.headers['content-type']).split(';', 1)[0]?.trim() ?? '';
        const wanted = asText(file.mimetype) || mediaType;
        if (served === 'text/html' && (wanted !== 'text/html' || answer.bytes.length !== size))
          throw unreadable();
        return { mediaType: wanted || served, content: answer.bytes };
      });
    },

    /**
     * Uploads a file and shares it in the thread. What is uploaded and not shared nobody sees, so only the last step is
     * never repeated.
     *
     * Source: https://docs.slack.dev/messaging/working-with-files#upload
     */
    async upload(access, { target, name, content, marker, mayStillSend }, signal) {
      if (content.length > MAX_FILE_BYTES) throw new KonstructError('attachment_too_large');
      const begin = {
        method: 'files.getUploadURLExternal',
        idempotent: true,
        mayStillSend,
        arguments: { filename: name, length: content.length },
      };
      const begun = await client.call(access, begin, signal).catch(notShown);
      const id = asId(begun.file_id);
      if (id === null) throw unavailable('files.getUploadURLExternal', 'file_id_missing', false);
      const headers = { 'content-type': 'application/octet-stream' };
      const call = { method: 'POST', headers, body: content, signal, maxBytes: 10_000 };
      const { status } = await exchange(asText(begun.upload_url), call, UPLOAD).catch(notShown);
      if (status !== 200) throw notShown(fromStatus(status, UPLOAD));
      const method = 'files.completeUploadExternal';
      const shared = await client.call(
        access,
        {
          method,
          idempotent: false,
          mayStillSend,
          arguments: {
            files: [{ id, title: withInvisibleMark(name, marker.deliveryId) }],
            channel_id: target.channelId,
            ...(target.threadId !== null && { thread_ts: target.threadId }),
          },
        },
        signal,
      );
      let file: JsonRecord = asRecords(shared.files)[0] ?? {};
      for (const waitMs of SHARE_WAITS_MS) {
        const messageId = sharedAt(file, target.channelId);
        if (messageId !== null) return { messageId };
        if (waitMs > 0) await sleep(waitMs, signal);
        file = await info(access, id, signal).catch(() => ({}));
      }
      const messageId = sharedAt(file, target.channelId);
      if (messageId === null) throw unavailable(method, 'share_missing', true);
      return { messageId };
    },
  };
}

function unreadable(): KonstructError {
  return rejected(DOWNLOAD, 'missing_scope', { needed: 'files:read' });
}

/** Until it is shared, a failed upload has shown nothing to anybody. */
function notShown(error: unknown): never {
  if (!(error instanceof KonstructError) || error.details.outcomeUnknown !== true) throw error;
  const { outcomeUnknown: _, ...details } = error.details;
  throw new KonstructError(error.code, error.message, { details, cause: error.cause });
}

/** The message by which a file was shared in a channel; `null`: it is not there (yet). */
function sharedAt({ shares }: JsonRecord, channelId: string): string | null {
  for (const kind of ['public', 'private']) {
    const places = asRecords(asRecord(asRecord(shares)?.[kind])?.[channelId]);
    const messageId = timestampId(places[0]?.ts);
    if (messageId !== null) return messageId;
  }
  return null;
}
