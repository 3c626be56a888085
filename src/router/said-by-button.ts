import type { ActionEvent, MessageEvent } from '../core/channel-event.ts';

/**
 * A press of a button as a message. It stands in the thread of the message that carries the buttons, and has an id of its
 * own: two people can press the same button.
 */
export function saidByButton(action: ActionEvent, nowMs: number): MessageEvent {
  const { account, eventId, channelId, chain, scope, sender, choice } = action;
  return {
    type: 'message',
    account,
    eventId,
    channelId,
    messageId: `action:${action.actionId}`,
    // In a DM outside threads it is said in the DM itself.
    threadId: action.threadId ?? (scope === 'direct' ? null : action.messageId),
    ...(chain === undefined ? {} : { chain }),
    scope,
    sender,
    text: choice,
    mentions: [],
    addressee: null,
    mentionsAgent: true,
    attachments: [],
    sentAtMs: action.pressedAtMs ?? nowMs,
    channelMetadata: { pressedOn: action.messageId },
  };
}
