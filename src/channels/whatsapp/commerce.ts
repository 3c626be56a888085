import {
  asRecord,
  asRecords,
  asShownNumber,
  asText,
  isWritable,
  type JsonRecord,
  readRecord,
} from '../read-json.ts';

const MAX_ITEMS = 50;
const MAX_CHARACTERS = 4_000;

/**
 * A shopping cart that was sent, with what was said to it.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/order
 */
export function orderText(order: JsonRecord): string {
  const items = asRecords(order.product_items);
  if (items.length === 0) return asText(order.text).trim();
  const lines = items
    .slice(0, MAX_ITEMS)
    .map(({ product_retailer_id, quantity, item_price, currency }) =>
      `- ${asShownNumber(quantity)} × ${asText(product_retailer_id)} at ${asShownNumber(item_price)} ${asText(currency)}`.trimEnd(),
    );
  const more = items.length > MAX_ITEMS ? [`- and ${items.length - MAX_ITEMS} more`] : [];
  const text = [`[order from the catalogue ${asText(order.catalog_id)}]`, ...lines, ...more].join('\n');
  return [text, asText(order.text).trim()].filter(Boolean).join('\n\n');
}

/** A product that is written about, as the catalogue knows it; `''`: none. */
export function productText(product: JsonRecord | null): string {
  const id = asText(product?.product_retailer_id);
  const catalogue = asText(product?.catalog_id);
  return id === '' ? '' : `[product ${id}${catalogue === '' ? '' : ` of the catalogue ${catalogue}`}]`;
}

/**
 * A form that was filled in (a flow, an address): what stands in it, one line a field. The token says only which form it was.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/flows/guides/flowswebhooks
 */
export function formText(reply: JsonRecord): string {
  const { flow_token, ...given } = readRecord(asText(reply.response_json)) ?? {};
  const fields = Object.entries(asRecord(given.values) ?? given).map(
    ([name, value]) =>
      `- ${name}: ${typeof value === 'string' ? value : isWritable(value) ? JSON.stringify(value) : '?'}`,
  );
  const words = asText(reply.body).trim();
  const body = words === '' || words === 'Sent' ? [] : [words];
  if (body.length + fields.length === 0) return '';
  return ['[filled in a form]', ...body, ...fields].join('\n').slice(0, MAX_CHARACTERS).toWellFormed();
}
