import type { IncomingHttpHeaders } from 'node:http';
import type { ReceiptFailure } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import { createPlatformErrors } from '../platform-errors.ts';
import { asRecord, asRecords, type JsonRecord } from '../read-json.ts';

export const graphErrors = createPlatformErrors('WhatsApp');
export const { rejected, unavailable } = graphErrors;

/** What a Graph error's number means to us. Numbers that are not here are called by their number. */
interface Meaning {
  readonly kind: 'limit' | 'passing' | 'unknown' | 'window' | 'refused';
  readonly word: string;
  /** Of a limit: how long to wait when nobody says so, in ms. */
  readonly waitMs?: number;
  /** Of a limit: whether it is the person's chat and not the whole number that has had enough. */
  readonly ofPair?: boolean;
}

/** Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes */
const meanings: Readonly<Record<number, Meaning>> = {
  0: { kind: 'refused', word: 'unauthorized' },
  1: { kind: 'unknown', word: 'api_unknown' },
  2: { kind: 'passing', word: 'api_service' },
  3: { kind: 'refused', word: 'permission_denied' },
  4: { kind: 'limit', word: 'app_rate_limit', waitMs: 60_000 },
  10: { kind: 'refused', word: 'permission_denied' },
  33: { kind: 'refused', word: 'number_unknown' },
  100: { kind: 'refused', word: 'invalid_parameter' },
  190: { kind: 'refused', word: 'unauthorized' },
  368: { kind: 'refused', word: 'account_restricted' },
  80007: { kind: 'limit', word: 'account_rate_limit', waitMs: 60_000 },
  130429: { kind: 'limit', word: 'throughput', waitMs: 1_000 },
  130497: { kind: 'refused', word: 'country_restricted' },
  131000: { kind: 'unknown', word: 'something_went_wrong' },
  131005: { kind: 'refused', word: 'permission_denied' },
  131008: { kind: 'refused', word: 'parameter_missing' },
  131009: { kind: 'refused', word: 'parameter_invalid' },
  131016: { kind: 'passing', word: 'service_unavailable' },
  131021: { kind: 'refused', word: 'recipient_is_sender' },
  131026: { kind: 'refused', word: 'undeliverable' },
  131030: { kind: 'refused', word: 'recipient_not_allowed' },
  131031: { kind: 'refused', word: 'account_locked' },
  131037: { kind: 'refused', word: 'display_name_missing' },
  131042: { kind: 'refused', word: 'payment_missing' },
  131045: { kind: 'refused', word: 'number_not_registered' },
  131047: { kind: 'window', word: 're_engagement' },
  131048: { kind: 'limit', word: 'spam_rate_limit', waitMs: 600_000 },
  131049: { kind: 'refused', word: 'not_delivered_for_engagement' },
  131051: { kind: 'refused', word: 'message_type_unsupported' },
  131052: { kind: 'refused', word: 'media_download' },
  131053: { kind: 'refused', word: 'media_upload' },
  131056: { kind: 'limit', word: 'pair_rate_limit', waitMs: 6_000, ofPair: true },
  131057: { kind: 'passing', word: 'account_maintenance' },
  133004: { kind: 'passing', word: 'server_unavailable' },
  133010: { kind: 'refused', word: 'number_not_registered' },
};

/** A call that Graph answered with an error, as the project's error. */
export function errorOfAnswer(
  answer: JsonRecord,
  { status, headers }: { readonly status: number; readonly headers: IncomingHttpHeaders },
  method: string,
): KonstructError {
  const error = asRecord(answer.error) ?? {};
  const { kind, word, waitMs = 0, ofPair = false } = meaningOf(error, status);
  switch (kind) {
    case 'limit':
      return graphErrors.rateLimited(
        method,
        Math.max(waitMs, askedWaitMs(headers)),
        ofPair ? { ofPair } : {},
      );
    case 'passing':
      return unavailable(method, word, false);
    case 'unknown':
      return unavailable(method, word, true);
    case 'window':
      return windowClosed(method);
    default:
      return rejected(method, word);
  }
}

/** Why a message failed that WhatsApp had accepted. */
export function failureOf(error: JsonRecord): ReceiptFailure {
  const { kind, word } = meaningOf(error, 400);
  return { code: kind === 'window' ? 'platform_window_closed' : 'platform_rejected', platformError: word };
}

/** More than 24 hours have passed since the person wrote. */
export function windowClosed(method: string): KonstructError {
  return new KonstructError('platform_window_closed', undefined, {
    details: { method, platformError: 're_engagement' },
  });
}

function meaningOf({ code, error_subcode: subcode }: JsonRecord, status: number): Meaning {
  if (typeof code !== 'number') return byStatus(status);
  // Subcode 33: there is no such object, or this token may not see it.
  if (code === 100 && subcode === 33) return { kind: 'refused', word: 'number_unknown' };
  if (code >= 200 && code < 300) return { kind: 'refused', word: 'permission_denied' };
  const known = meanings[code];
  if (known !== undefined) return known;
  return status >= 500 || status === 429 ? byStatus(status) : { kind: 'refused', word: `graph_${code}` };
}

function byStatus(status: number): Meaning {
  if (status === 429) return { kind: 'limit', word: 'http_429', waitMs: 1_000 };
  if (status === 401) return { kind: 'refused', word: 'unauthorized' };
  // From the outside both look like a gateway's trouble, before or after the work.
  return status >= 500 || status === 408
    ? { kind: 'unknown', word: `http_${status}` }
    : { kind: 'refused', word: `http_${status}` };
}

/**
 * How long an account that has used up its calls is to wait: seconds in `Retry-After`, minutes in Graph's own header.
 *
 * Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting#headers-2
 */
function askedWaitMs(headers: IncomingHttpHeaders): number {
  const seconds = Number(headers['retry-after'] ?? 0);
  const usage = headers['x-business-use-case-usage'];
  return Math.max(Number.isFinite(seconds) ? seconds * 1_000 : 0, minutesIn(usage) * 60_000);
}

function minutesIn(usage: unknown): number {
  try {
    const accounts = Object.values(asRecord(JSON.parse(typeof usage === 'string' ? usage : '{}')) ?? {});
    const minutes = accounts
      .flatMap(asRecords)
      .map(({ estimated_time_to_regain_access: wait }) => (typeof wait === 'number' ? wait : 0));
    return Math.max(0, ...minutes);
  } catch {
    return 0;
  }
}
