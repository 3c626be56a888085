const PREFIX = 'konstruct:';
const DELIVERY_ID = /^\d{1,18}$/;

/**
 * Our name for a message, which WhatsApp keeps and gives back with its statuses. Others who are subscribed to the
 * account see it, so it says nothing but a number.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages/status
 */
export function markerFor(deliveryId: string): string {
  return PREFIX + deliveryId;
}

/** `null`: not of our making. */
export function deliveryIdOf(marker: unknown): string | null {
  if (typeof marker !== 'string' || !marker.startsWith(PREFIX)) return null;
  const deliveryId = marker.slice(PREFIX.length);
  return DELIVERY_ID.test(deliveryId) ? deliveryId : null;
}
