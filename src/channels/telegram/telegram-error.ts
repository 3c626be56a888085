import type { KonstructError } from '../../core/errors.ts';
import { createPlatformErrors } from '../platform-errors.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { asInteger } from './ids.ts';

export const telegramErrors = createPlatformErrors('Telegram');
export const { rejected, unavailable } = telegramErrors;

/** What Telegram's descriptions mean to us, by their beginning after "Bad Request: " and the like. */
const meanings: readonly (readonly [RegExp, string])[] = [
  [/^message is not modified/i, 'message_not_modified'],
  [
    /^message (?:to edit|to delete|to be replied|to react) not found|^MESSAGE_ID_INVALID/i,
    'message_not_found',
  ],
  [/^message can't be edited/i, 'cant_update_message'],
  [/^can't parse entities|^ENTIT|^wrong .*entit/i, 'entities_refused'],
  [/^message thread not found|^TOPIC_(?:DELETED|CLOSED)/i, 'topic_not_found'],
  [/^unauthorized/i, 'unauthorized'],
  [/^file is too big/i, 'file_too_large'],
  [/^PHOTO_INVALID|^IMAGE_PROCESS_FAILED/i, 'photo_refused'],
  [/^REACTION_INVALID/i, 'reaction_unsupported'],
];

/** An answer of the Bot API that is no success, as the project's error. */
export function errorOfAnswer(answer: JsonRecord, status: number, method: string): KonstructError {
  const code = asInteger(answer.error_code) ?? status;
  const parameters = asRecord(answer.parameters);
  const word = wordOf(asText(answer.description), code);
  if (code === 429)
    return telegramErrors.rateLimited(method, (asInteger(parameters?.retry_after) ?? 0) * 1000);
  // From the outside both look like a gateway's trouble, before or after the work.
  if (code >= 500 || code === 408) return unavailable(method, `http_${code}`, true);
  const migratedTo = asInteger(parameters?.migrate_to_chat_id);
  return rejected(method, word, migratedTo === null ? {} : { migratedTo });
}

/** Telegram's sentence as one word, without anything that may be somebody's text. */
function wordOf(description: string, code: number): string {
  const sentence = description.replace(/^(?:Bad Request|Forbidden|Conflict|Not Found): /i, '');
  const known = meanings.find(([pattern]) => pattern.test(sentence))?.[1];
  if (known !== undefined) return known;
  const word = sentence
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  return word === '' || word.length > 80 ? `http_${code}` : word;
}
