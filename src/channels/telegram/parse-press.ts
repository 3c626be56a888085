import type { ActionEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { asId, asRecord, type JsonRecord } from '../read-json.ts';
import { asInteger } from './ids.ts';
import { choiceOf } from './keyboard.ts';
import { mentionOf } from './normalise-text.ts';
import type { EventBase } from './parse-membership.ts';
import { locate, repliedMessage } from './parse-message.ts';

/**
 * Somebody pressed a button below a message of ours. In a group it is said as a reply to that message, so it belongs to
 * its conversation. Telegram does not say when it was.
 *
 * Source: https://core.telegram.org/bots/api#callbackquery
 */
export function parsePress(press: JsonRecord, base: EventBase): ActionEvent | IgnoredEvent {
  const ignored = (reason: string): IgnoredEvent => ({ ...base, type: 'ignored', reason });
  const message = asRecord(press.message);
  const located = message === null ? null : locate(message);
  const from = asRecord(press.from);
  const senderId = asInteger(from?.id);
  const actionId = asId(press.id);
  if (message === null || located === null || senderId === null || actionId === null) {
    return ignored('press_incomplete');
  }
  if (from?.is_bot === true) return ignored('bot_message');
  const choice = choiceOf(press.data, message);
  if (choice === '') return ignored('press_unknown');
  const { channelId, messageId, number, isPrivate } = located;
  const us = mentionOf(asRecord(message.from))?.externalId ?? null;
  return {
    ...base,
    type: 'action',
    channelId,
    messageId,
    threadId: isPrivate ? null : (repliedMessage(message)?.messageId ?? null),
    chain: {
      repliesTo: isPrivate ? null : { messageId, senderId: us },
      answerAt: number,
      isPart: false,
    },
    scope: isPrivate ? 'direct' : 'channel',
    actionId,
    sender: { externalId: String(senderId), name: mentionOf(from)?.name ?? null },
    choice,
    pressedAtMs: null,
    reply: {},
  };
}
