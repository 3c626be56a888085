import type { MessageEvent, Quotation } from '../../core/channel-event.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { productText } from './commerce.ts';
import { asMessageId } from './ids.ts';

/**
 * What a message is about. WhatsApp names the message that somebody swiped to reply to, and does not send it: it is what is
 * on record of it. Products and advertisements are no messages, so they are told here.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/text
 */
export function quotationOf(message: JsonRecord): Pick<MessageEvent, 'quotes'> {
  const context = asRecord(message.context);
  const messageId = asMessageId(context?.id);
  const product = productText(asRecord(context?.referred_product));
  if (product !== '') return quoted({ messageId, text: product });
  if (messageId !== null) return quoted({ messageId, text: null });
  const referral = asRecord(message.referral);
  if (referral === null) return {};
  // The address before the words: these may be cut.
  const { headline, source_url, body, welcome_message } = referral;
  const words = [headline, source_url, body, asRecord(welcome_message)?.text].map(asText).filter(Boolean);
  const name = referral.source_type === 'post' ? 'Post' : 'Advertisement';
  return quoted({ messageId: null, name, text: words.join('\n') });
}

function quoted(
  quotes: Pick<Quotation, 'messageId' | 'text'> & Partial<Quotation>,
): Pick<MessageEvent, 'quotes'> {
  return { quotes: { senderId: null, name: null, attachments: [], ...quotes } };
}
