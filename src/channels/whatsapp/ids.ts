import { asId, asTimeMs } from '../read-json.ts';

/** A phone number as WhatsApp writes it: digits with the country's code, without a plus. */
const PHONE_NUMBER = /^[0-9]{4,20}$/;
/** A business-scoped user id, also of a parent business: `US.1349…`, `US.ENT.1181…`. */
const USER_ID = /^[A-Z]{2}\.[A-Za-z0-9.]{1,140}$/;
/** `wamid.` and some base64 that grows with the ids in it. */
const MAX_MESSAGE_ID_CHARACTERS = 300;

/**
 * Who is meant, as a message names its recipient; `null`: no id of a person. People who hide their number behind a
 * username are known by the id that WhatsApp gives them for this business.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
 */
export function recipientOf(
  personId: string,
): { readonly to: string } | { readonly recipient: string } | null {
  if (PHONE_NUMBER.test(personId)) return { to: personId };
  return USER_ID.test(personId) ? { recipient: personId } : null;
}

/** The first of these that names a person. A number before an id: it is what older apps and templates know. */
export function asPersonId(...candidates: readonly unknown[]): string | null {
  for (const candidate of candidates) {
    if (typeof candidate === 'string' && recipientOf(candidate) !== null) return candidate;
  }
  return null;
}

export function asMessageId(value: unknown): string | null {
  return asId(value, MAX_MESSAGE_ID_CHARACTERS);
}

/** Times are seconds since 1970, in digits. */
export function timestampMs(value: unknown): number {
  const seconds = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value;
  return typeof seconds === 'number' ? asTimeMs(seconds * 1000) : 0;
}
