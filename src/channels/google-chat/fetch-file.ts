import type { Attachment } from '../../core/channel-event.ts';
import type { ConnectionAccess, FetchedFile } from '../../core/outbound.ts';
import { download } from '../download.ts';
import type { KeptAliveHttp } from '../kept-alive-http.ts';
import type { GoogleChatClient } from './client.ts';
import { googleError } from './google-error.ts';

export interface FetchFileOptions {
  readonly client: GoogleChatClient;
  readonly apiUrl: string;
  readonly http: KeptAliveHttp;
  readonly timeoutMs: number;
}

/**
 * Fetches what was uploaded to a message. A file of Google Drive belongs to a person, and only with their consent could it
 * be read.
 *
 * Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/media/download
 */
export async function fetchFile(
  { client, apiUrl, http, timeoutMs }: FetchFileOptions,
  access: ConnectionAccess,
  { externalId }: Attachment,
  { maxBytes }: { readonly maxBytes: number },
  signal: AbortSignal,
): Promise<FetchedFile> {
  if (externalId.startsWith('drive ')) throw googleError.rejected('download', 'file_needs_drive');
  const [, resource] = /^media ([\w/+=.-]+)$/.exec(externalId) ?? [];
  if (resource === undefined || resource.includes('..'))
    throw googleError.rejected('download', 'file_unknown');
  const path = resource.split('/').map(encodeURIComponent).join('/');
  const url = new URL(`${apiUrl}/v1/media/${path}?alt=media`);
  const headers = { authorization: `Bearer ${await client.token(access, signal)}` };
  return download({ url, headers, maxBytes, timeoutMs, http, errors: googleError }, signal);
}
