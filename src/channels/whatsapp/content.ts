import type { Attachment } from '../../core/channel-event.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

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
  const body = asRecord(message[type]);
  if (body === null && type !== 'contacts') return null;
  if (Object.hasOwn(files, type) && body !== null) return fileContent(type, body);
  const text = textOf(type, body ?? {}, message);
  return text === '' ? null : { text, attachments: [] };
}

function textOf(type: string, body: JsonRecord, message: JsonRecord): string {
  switch (type) {
    case 'text':
      return asText(body.body).trim();
    case 'location': {
      const place = [body.name, body.address].map(asText).filter(Boolean);
      return `[location: ${[...place, Number(body.latitude), Number(body.longitude)].join(', ')}]`;
    }
    case 'contacts':
      return asRecords(message.contacts).map(contactText).join('\n');
    default:
      return '';
  }
}

function contactText(contact: JsonRecord): string {
  const name = asText(asRecord(contact.name)?.formatted_name);
  const phones = asRecords(contact.phones).map(({ phone }) => asText(phone));
  const emails = asRecords(contact.emails).map(({ email }) => asText(email));
  return `[contact: ${[name, ...phones, ...emails].filter(Boolean).join(' ')}]`;
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
