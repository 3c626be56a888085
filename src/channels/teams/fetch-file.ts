import type { Attachment } from '../../core/channel-event.ts';
import type { ConnectionAccess, FetchedFile } from '../../core/outbound.ts';
import { download } from '../download.ts';
import type { KeptAliveHttp } from '../kept-alive-http.ts';
import { fileSourceOf } from './attachments.ts';
import type { TeamsClient } from './client.ts';
import type { ServiceUrls } from './service-urls.ts';
import { teamsError } from './teams-error.ts';

/** Where companies' OneDrives are; an address of a file names one of these and carries its own permission. */
const FILE_HOST = /\.sharepoint(?:\.com|\.us|-mil\.us|\.cn)$/;

export interface FetchFileOptions {
  readonly client: TeamsClient;
  readonly serviceUrls: ServiceUrls;
  readonly http: KeptAliveHttp;
  readonly timeoutMs: number;
}

/**
 * Fetches a file of a personal chat from its pre-authorised address, without any token of ours; a picture in a text from
 * Teams itself, with the bot's token. Both only from Microsoft's hosts.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4
 */
export async function fetchFile(
  { client, serviceUrls, http, timeoutMs }: FetchFileOptions,
  access: ConnectionAccess,
  { externalId }: Attachment,
  { maxBytes }: { readonly maxBytes: number },
  signal: AbortSignal,
): Promise<FetchedFile> {
  const found = fileSourceOf(externalId);
  if (found === null) throw teamsError.rejected('download', 'file_unknown');
  const { source, url } = found;
  if (source === 'reference') throw teamsError.rejected('download', 'file_needs_graph');
  const isTeams = serviceUrls.isTrusted(url.href);
  const isDrive = url.protocol === 'https:' && url.port === '' && FILE_HOST.test(url.hostname);
  if (!(isTeams || (isDrive && source === 'download')))
    throw teamsError.rejected('download', 'file_host_foreign');
  const headers: Record<string, string> =
    source === 'picture' ? { authorization: `Bearer ${await client.token(access, signal)}` } : {};
  return download({ url, headers, maxBytes, timeoutMs, http, errors: teamsError }, signal);
}
