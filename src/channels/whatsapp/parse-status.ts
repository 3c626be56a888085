import type { IgnoredEvent, ReceiptEvent } from '../../core/channel-event.ts';
import { asLabel, asRecords, type JsonRecord } from '../read-json.ts';
import { failureOf } from './graph-error.ts';
import { asMessageId, asPersonId, timestampMs } from './ids.ts';
import { deliveryIdOf } from './marker.ts';
import type { ChangeBase } from './parse-message.ts';

/**
 * What became of a message of ours. WhatsApp accepts first and delivers later, so that it can still fail; and what it
 * gives back with `sent` is the only proof of a message whose answer got lost. That it arrived and was read is nothing
 * to us.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
 */
export function parseStatus(status: JsonRecord, base: ChangeBase): ReceiptEvent | IgnoredEvent {
  const ignored = (reason: string): IgnoredEvent => ({ ...base, type: 'ignored', reason });
  if (status.status !== 'sent' && status.status !== 'failed')
    return ignored(`status:${asLabel(status.status)}`);
  if (status.recipient_type === 'group') return ignored('status:group');
  const messageId = asMessageId(status.id);
  const deliveryId = deliveryIdOf(status.biz_opaque_callback_data);
  if (messageId === null) return ignored('status_incomplete');
  // Sent by somebody else with the same number; nothing here waits for it.
  if (status.status === 'sent' && deliveryId === null) return ignored('status:sent_by_others');
  return {
    ...base,
    type: 'receipt',
    channelId: asPersonId(status.recipient_id, status.recipient_user_id),
    messageId,
    deliveryId,
    failure: status.status === 'failed' ? failureOf(asRecords(status.errors)[0] ?? {}) : null,
    happenedAtMs: timestampMs(status.timestamp),
  };
}
