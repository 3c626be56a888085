import { isKonstructError, type KonstructError } from '../../core/errors.ts';
import { createPlatformErrors } from '../platform-errors.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';

export const discordErrors = createPlatformErrors('Discord');
export const { rejected, unavailable } = discordErrors;

/**
 * What Discord's numbers mean to us. Its sentences are not passed on: those about a form quote what was sent.
 *
 * Source: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
 */
const meanings: Readonly<Record<number, string>> = {
  10003: 'channel_not_found',
  10004: 'server_not_found',
  10008: 'message_not_found',
  10013: 'user_not_found',
  10014: 'reaction_unsupported',
  10062: 'interaction_over',
  20016: 'slow_mode',
  20028: 'channel_write_limit',
  20029: 'server_write_limit',
  30010: 'too_many_reactions',
  40001: 'unauthorized',
  40005: 'file_too_large',
  40060: 'interaction_answered',
  50001: 'missing_access',
  50005: 'cant_update_message',
  50006: 'message_empty',
  50007: 'person_refuses_messages',
  50008: 'not_a_text_channel',
  50013: 'missing_permissions',
  50014: 'unauthorized',
  50024: 'wrong_channel_type',
  50027: 'interaction_over',
  50035: 'form_invalid',
  50083: 'thread_archived',
  50278: 'person_refuses_messages',
  90001: 'reaction_blocked',
  160002: 'missing_read_history',
  160004: 'thread_exists',
  160005: 'thread_locked',
  160006: 'too_many_threads',
  160007: 'too_many_threads',
};

/** Limits that come with a status of their own, for the time that they say. */
const LIMITS = new Set(['slow_mode', 'channel_write_limit', 'server_write_limit']);

/** An answer that is no success, as the project's error. */
export function errorOfAnswer(
  body: string,
  status: number,
  retryAfter: string | undefined,
  name: string,
): KonstructError {
  const answer = parseBody(body);
  const code = typeof answer?.code === 'number' ? answer.code : 0;
  const word = meanings[code];
  if (status === 429 || (word !== undefined && LIMITS.has(word))) {
    // A proxy in front of Discord that says so without its words means everything that comes from here.
    const isGlobal = answer === null || answer.global === true;
    return discordErrors.rateLimited(name, retryAfterMs(answer?.retry_after, retryAfter), {
      ...(isGlobal && { isGlobal }),
      ...(word !== undefined && { platformError: word }),
    });
  }
  if (status === 401) return rejected(name, 'unauthorized');
  // From the outside both look like a gateway's trouble, before or after the work.
  if (status >= 500 || status === 408) return unavailable(name, `http_${status}`, true);
  if (status === 413) return rejected(name, 'file_too_large');
  return rejected(name, word ?? (code === 0 ? `http_${status}` : `discord_${code}`));
}

/** The limit of a whole bot, and not of one route. */
export function isGlobalLimit(error: KonstructError): boolean {
  return error.details.isGlobal === true;
}

export function isRefusal(error: unknown, ...words: readonly string[]): boolean {
  return (
    isKonstructError(error, 'platform_rejected') && words.some((word) => error.details.platformError === word)
  );
}

/** In the body seconds with decimals; in the header, which a proxy may send alone, whole ones. */
function retryAfterMs(field: unknown, header: string | undefined): number {
  const seconds = typeof field === 'number' ? field : Number(header);
  return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds * 1_000) : 0;
}

function parseBody(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null; // a proxy's page, and not a word of Discord's
  }
}
