import type { ActionEvent, IgnoredEvent } from '../../core/channel-event.ts';
import { asId, asLabel, asRecord, asRecords, asText, isWritable, type JsonRecord } from '../read-json.ts';
import { accountOfForm } from './account.ts';
import { choiceOf } from './choices.ts';
import { scopeOf } from './scope.ts';
import { timestampId, timestampMs } from './timestamp.ts';

/**
 * What somebody did with a message of ours: `block_actions` of our buttons. Other interactions are nothing for us.
 *
 * Source: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
 */
export function parseInteraction(payload: JsonRecord): ActionEvent | IgnoredEvent {
  const account = accountOfForm(payload);
  const ignored = (reason: string): IgnoredEvent => ({ type: 'ignored', account, eventId: null, reason });
  if (payload.type !== 'block_actions') return ignored(`interaction:${asLabel(payload.type)}`);
  for (const action of asRecords(payload.actions)) {
    const choice = choiceOf(action);
    if (choice === null) continue;
    const container = asRecord(payload.container);
    const message = asRecord(payload.message);
    const channelId = asId(asRecord(payload.channel)?.id) ?? asId(container?.channel_id);
    const messageId = timestampId(container?.message_ts) ?? timestampId(message?.ts);
    const senderId = asId(asRecord(payload.user)?.id);
    const pressedAt = timestampId(action.action_ts);
    if (channelId === null || messageId === null || senderId === null || pressedAt === null)
      return ignored('interaction_incomplete');
    return {
      type: 'action',
      account,
      eventId: null,
      channelId,
      messageId,
      threadId: timestampId(container?.thread_ts) ?? timestampId(message?.thread_ts),
      scope: scopeOf(null, channelId),
      actionId: `${messageId}:${senderId}:${pressedAt}`,
      sender: { externalId: senderId, name: null },
      choice,
      pressedAtMs: timestampMs(pressedAt),
      reply: {
        blocks: isWritable(message?.blocks) ? message?.blocks : [],
        text: asText(message?.text),
        metadata: isWritable(message?.metadata) ? asRecord(message?.metadata) : null,
      },
    };
  }
  return ignored('interaction:other_action');
}
