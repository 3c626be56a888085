import type { Attachment } from '../../core/channel-event.ts';
import { asId, asRecord, asRecords, asShownNumber, asText, type JsonRecord } from '../read-json.ts';
import { formText, orderText, productText } from './commerce.ts';
import { describeUnsupported } from './unsupported.ts';

/** Types of messages that are one file, with what it is called when nobody named it. */
const files: Readonly<Record<string, readonly [name: string, mediaType: string]>> = {
  image: ['photo.jpg', 'image/jpeg'],
  audio: ['audio.ogg', 'audio/ogg'],
  video: ['video.mp4', 'video/mp4'],
  document: ['document', 'application/octet-stream'],
  sticker: ['sticker.webp', 'image/webp'],
};

/** What a message says, and the file it is. */
export interface Content {
  readonly text: string;
  readonly attachments: readonly Attachment[];
}

/**
 * What a message of people holds; `null`: nothing that an agent could read.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/messages
 */
export function parseContent(message: JsonRecord): Content | null {
  const type = asText(message.type);
  if (type === 'unsupported' || type === 'unknown') return words(describeUnsupported(message) ?? '');
  const body = asRecord(message[type]);
  if (body === null && type !== 'contacts') return null;
  if (Object.hasOwn(files, type) && body !== null) return fileContent(type, body);
  return words(textOf(type, body ?? {}, message));
}

function words(text: string): Content | null {
  return text === '' ? null : { text, attachments: [] };
}

function textOf(type: string, body: JsonRecord, message: JsonRecord): string {
  switch (type) {
    case 'text':
      return asText(body.body).trim();
    case 'location': {
      const place = [body.name, body.address, body.url].map(asText).filter(Boolean);
      return `[location: ${[...place, asShownNumber(body.latitude), asShownNumber(body.longitude)].join(', ')}]`;
    }
    case 'order':
      return orderText(body);
    case 'interactive':
      return body.type === 'nfm_reply'
        ? formText(asRecord(body.nfm_reply) ?? {})
        : productText(asRecord(body.product) ?? asRecord(body.action));
    case 'contacts':
      return asRecords(message.contacts).map(contactText).join('\n');
    default:
      return '';
  }
}

function contactText(contact: JsonRecord): string {
  const name = asText(asRecord(contact.name)?.formatted_name);
  const company = asText(asRecord(contact.org)?.company);
  const phones = asRecords(contact.phones).map(({ phone, wa_id }) => asText(phone) || asText(wa_id));
  const emails = asRecords(contact.emails).map(({ email }) => asText(email));
  return `[contact: ${[name, company, ...phones, ...emails].filter(Boolean).join(' ')}]`;
}

function fileContent(type: string, body: JsonRecord): Content | null {
  const externalId = asId(body.id);
  if (externalId === null) return null;
  const [name, mediaType] = files[type] ?? ['file', 'application/octet-stream'];
  const isVoice = type === 'audio' && body.voice === true;
  const attachment: Attachment = {
    name: asText(body.filename) || (isVoice ? 'voice message.ogg' : name),
    // `audio/ogg; codecs=opus`: what comes behind is not the type.
    mediaType: asText(body.mime_type).split(';', 1)[0]?.trim() || mediaType,
    sizeBytes: null, // known when it is fetched
    externalId,
  };
  return { text: asText(body.caption).trim(), attachments: [attachment] };
}
