import { KonstructError } from '../core/errors.ts';
import type { FetchedFile } from '../core/outbound.ts';
import { retryAfterMsOf } from './answer-words.ts';
import type { KeptAliveHttp } from './kept-alive-http.ts';
import type { PlatformErrors } from './platform-errors.ts';

export interface Download {
  /** Whom it may reach has been decided: redirects are not followed. */
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly maxBytes: number;
  /** From the start to the last byte. */
  readonly timeoutMs: number;
  readonly http: KeptAliveHttp;
  readonly errors: PlatformErrors;
}

const METHOD = 'download';

/**
 * Fetches a file's bytes, as many as are allowed and no more.
 *
 * @throws KonstructError `attachment_too_large`, `platform_rejected`, `platform_unavailable`, `platform_rate_limited`, `aborted`
 */
export async function download(
  { url, headers, maxBytes, timeoutMs, http, errors }: Download,
  signal: AbortSignal,
): Promise<FetchedFile> {
  const answer = await http
    .exchange({
      base: url.origin,
      path: url.pathname + url.search,
      method: 'GET',
      headers,
      body: '',
      maxBytes,
      timeoutMs,
      signal,
    })
    .catch((error: unknown) => {
      throw errors.ofTransport(error, METHOD);
    });
  const { status, isCut, bytes } = answer;
  if (status === 429) throw errors.rateLimited(METHOD, retryAfterMsOf(answer.headers['retry-after']));
  if (status >= 500) throw errors.unavailable(METHOD, `http_${status}`, false);
  if (status !== 200) throw errors.rejected(METHOD, `http_${status}`);
  if (isCut) throw new KonstructError('attachment_too_large', undefined, { details: { maxBytes } });
  const [mediaType = ''] = (answer.headers['content-type'] ?? '').split(';');
  return { content: bytes, mediaType: mediaType.trim() || 'application/octet-stream' };
}
