import type { ChannelRequest, ParsedRequest } from '../../core/channel.ts';
import type { AccountRef, ChannelEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { KonstructError } from '../../core/errors.ts';
import { asLabel, asRecord, type JsonRecord } from '../read-json.ts';
import { asInteger } from './ids.ts';
import { parseMembership } from './parse-membership.ts';
import { parseEdit, parseMessage } from './parse-message.ts';
import { parsePress } from './parse-press.ts';
import { parseReactions } from './parse-reactions.ts';

/** Updates that are asked for; all others Telegram keeps to itself. */
export const ALLOWED_UPDATES = [
  'message',
  'edited_message',
  'my_chat_member',
  'message_reaction',
  'callback_query',
] as const;

/** An update names no bot: whose it is, its path or the poller knows. */
const ACCOUNT: AccountRef = { externalIds: [], appId: null, agentUserId: null };

/**
 * Turns an update of the Bot API into events. What it does not know is `ignored` with a reason.
 *
 * Source: https://core.telegram.org/bots/api#update
 *
 * @throws KonstructError `body_malformed`: not a JSON object, or one without an `update_id`
 */
export function parseTelegramRequest({ body }: ChannelRequest): ParsedRequest {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    // The cause quotes the body, which may be a person's message: it is not passed on.
    throw new KonstructError('body_malformed', 'The body is not JSON.');
  }
  const update = asRecord(value);
  if (update === null) throw new KonstructError('body_malformed', 'The body is JSON but not an object.');
  return { kind: 'events', events: parseUpdate(update) };
}

/** @throws KonstructError `body_malformed` */
export function parseUpdate(update: JsonRecord): readonly ChannelEvent[] {
  const updateId = asInteger(update.update_id);
  if (updateId === null) throw new KonstructError('body_malformed', 'The update has no update_id.');
  const base = { account: ACCOUNT, eventId: String(updateId) };
  const ignored = (reason: string): readonly IgnoredEvent[] => [{ ...base, type: 'ignored', reason }];
  const message = asRecord(update.message);
  if (message !== null) return [parseMessage(message, base)];
  const edited = asRecord(update.edited_message);
  if (edited !== null) return [parseEdit(edited, base)];
  const membership = asRecord(update.my_chat_member);
  if (membership !== null) return [parseMembership(membership, base)];
  const reaction = asRecord(update.message_reaction);
  if (reaction !== null) return parseReactions(reaction, base);
  const press = asRecord(update.callback_query);
  if (press !== null) return [parsePress(press, base)];
  const kind = Object.keys(update).find((key) => key !== 'update_id');
  return ignored(`update:${kind === undefined ? 'empty' : asLabel(kind)}`);
}
