import type { FastifyReply } from 'fastify';
import type { Random } from '../../core/clock.ts';
import type { FaultKind } from '../control-api.ts';
import type { FaultOf } from '../fault-board.ts';
import { slackId } from '../slack-ids.ts';
import type { WireObject } from '../wire-message.ts';

/** What goes back: an answer, or none where the connection is cut or left open. */
export type ApiOutcome = ApiAnswer | { readonly kind: 'cut' | 'hang' };

export interface ApiAnswer {
  readonly kind: 'answer';
  readonly status: number;
  readonly headers: ApiHeaders;
  readonly body: WireObject;
}

export type ApiHeaders = Readonly<Record<string, string>>;

/** Faults that take the place of the work. */
export const faultsBefore = [
  'outage',
  'api_cut_before',
  'api_rate_limited',
  'api_http_error',
  'api_error',
] as const satisfies readonly FaultKind[];

/** Faults that strike when the work is done, or hold back its answer. */
export const faultsAfter = ['api_delay', 'api_cut_after', 'api_hang'] as const satisfies readonly FaultKind[];

/** Almost everything has status 200 and says in `ok` whether it worked. */
export function okOrError(body: WireObject, headers: ApiHeaders): ApiAnswer {
  return { kind: 'answer', status: 200, headers, body };
}

/** Source: https://docs.slack.dev/apis/web-api/rate-limits */
export function rateLimited(retryAfterSeconds: number, headers: ApiHeaders): ApiAnswer {
  return {
    kind: 'answer',
    status: 429,
    headers: { ...headers, 'retry-after': String(retryAfterSeconds) },
    body: { ok: false, error: 'ratelimited' },
  };
}

/** What the first of these faults makes of a call. */
export function outcomeOfFault(
  fault: FaultOf<(typeof faultsBefore)[number]>,
  headers: ApiHeaders,
): ApiOutcome {
  switch (fault.kind) {
    case 'outage':
    case 'api_cut_before':
      return { kind: 'cut' };
    case 'api_rate_limited':
      return rateLimited(fault.retryAfterSeconds, headers);
    case 'api_http_error':
      return { kind: 'answer', status: fault.status, headers, body: { error: `http_${fault.status}` } };
    case 'api_error':
      return okOrError({ ok: false, error: fault.error }, headers);
  }
}

/** @param stopping ends calls that are left open */
export async function sendOutcome(
  reply: FastifyReply,
  outcome: ApiOutcome,
  { random, stopping }: { readonly random: Random; readonly stopping: AbortSignal },
): Promise<void> {
  if (outcome.kind === 'answer') {
    await reply
      .status(outcome.status)
      .headers({
        'content-type': 'application/json; charset=utf-8',
        'x-slack-req-id': slackId('', random, 32).toLowerCase(),
        ...outcome.headers,
      })
      .send(JSON.stringify(outcome.body));
    return;
  }
  reply.hijack();
  const end = () => reply.raw.socket?.destroy();
  if (outcome.kind === 'cut' || stopping.aborted) {
    end();
    return;
  }
  stopping.addEventListener('abort', end, { once: true });
  reply.raw.once('close', () => stopping.removeEventListener('abort', end));
}
