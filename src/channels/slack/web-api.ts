import { stringify } from 'node:querystring';
import { createKeptAliveHttp } from '../kept-alive-http.ts';
import { asRecord, type JsonRecord, readRecord } from '../read-json.ts';
import { TransportError } from '../transport-error.ts';
import { fromAnswer, fromStatus, fromTransport, rateLimited } from './slack-failure.ts';

/** Single calls of Slack's Web API, as they are: who waits and repeats is the caller. */
export interface WebApi {
  /**
   * @param authorization the header: `Bearer …`, or `Basic …` for an app
   * @throws KonstructError `platform_rate_limited`, `platform_unavailable`, `platform_rejected`, `aborted`
   */
  call(method: string, authorization: string, values: JsonRecord, signal: AbortSignal): Promise<JsonRecord>;
  /** Ends the connections kept open. */
  close(): void;
}

/**
 * @param apiUrl ends in `/api/`
 * @param timeoutMs for one call
 *
 * Source: https://docs.slack.dev/apis/web-api/
 */
export function createWebApi({
  apiUrl,
  timeoutMs,
}: {
  readonly apiUrl: string;
  readonly timeoutMs: number;
}): WebApi {
  const http = createKeptAliveHttp();
  return {
    async call(method, authorization, values, signal) {
      const body = formOf(values);
      const headers = {
        accept: 'application/json',
        authorization,
        'content-type': 'application/x-www-form-urlencoded',
        'content-length': String(Buffer.byteLength(body)),
      };
      const request = { base: `${apiUrl}${method}`, method: 'POST', headers, body, timeoutMs, signal };
      const answer = await http.exchange(request).catch((error: unknown) => {
        throw error instanceof TransportError ? fromTransport(error, method) : error;
      });
      const retryAfterMs = Number(answer.headers['retry-after']) * 1_000 || 0;
      if (answer.status === 429) throw rateLimited(method, retryAfterMs);
      if (answer.status !== 200) throw fromStatus(answer.status, method);
      const said = readRecord(answer.text);
      if (said?.ok !== true) throw fromAnswer(said, method, retryAfterMs);
      return withScopes(said, answer.headers['x-oauth-scopes']);
    },
    close: () => http.close(),
  };
}

/** Slack takes every method as a form; what is no plain value in it is JSON. */
function formOf(values: JsonRecord): string {
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    fields[name] = (typeof value === 'object' ? JSON.stringify(value) : String(value)).toWellFormed();
  }
  return stringify(fields);
}

/** What the token may do stands in a header. */
function withScopes(answer: JsonRecord, header: string | string[] | undefined): JsonRecord {
  if (typeof header !== 'string') return answer;
  const scopes = header.split(',').map((scope) => scope.trim());
  return { ...answer, response_metadata: { ...asRecord(answer.response_metadata), scopes } };
}
