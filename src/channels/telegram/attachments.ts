import type { Attachment } from '../../core/channel-event.ts';
import { asId, asRecord, asRecords, asShownNumber, asText, type JsonRecord } from '../read-json.ts';
import { asInteger } from './ids.ts';

/** Fields of a message that hold one file, with what it is called when nobody named it. */
const kinds: readonly (readonly [field: string, name: string, mediaType: string])[] = [
  ['document', 'document', 'application/octet-stream'],
  ['voice', 'voice message.ogg', 'audio/ogg'],
  ['voice_note', 'voice message.ogg', 'audio/ogg'],
  ['audio', 'audio.mp3', 'audio/mpeg'],
  ['video', 'video.mp4', 'video/mp4'],
  ['video_note', 'video message.mp4', 'video/mp4'],
  ['animation', 'animation.mp4', 'video/mp4'],
  ['sticker', 'sticker.webp', 'image/webp'],
];

const MAX_FILE_ID_CHARACTERS = 300;
/** As many as an album has. */
export const MAX_ATTACHMENTS = 10;

/** What a message, or a block of a rich one, carries besides its text, by name and type. */
export function parseAttachments(message: JsonRecord): readonly Attachment[] {
  const paid = asRecords(asRecord(message.paid_media)?.paid_media);
  return [message, ...paid].flatMap(filesOf).slice(0, MAX_ATTACHMENTS);
}

function filesOf(message: JsonRecord): readonly Attachment[] {
  const attachments: Attachment[] = [];
  // A photo comes in several sizes, the largest last. One that moves is looked at like any other.
  const photo = asRecords(message.photo ?? asRecord(message.live_photo)?.photo).at(-1);
  if (photo !== undefined) attachments.push(...attachmentOf(photo, 'photo.jpg', 'image/jpeg'));
  for (const [field, name, mediaType] of kinds) {
    const file = asRecord(message[field]);
    // An animation comes as a document as well.
    if (file === null || (field === 'document' && message.animation !== undefined)) continue;
    attachments.push(...attachmentOf(file, name, mediaType));
  }
  return attachments;
}

/** What a message without a text says all the same. */
export function describeContent(message: JsonRecord): string {
  const location = asRecord(asRecord(message.venue)?.location) ?? asRecord(message.location);
  if (location !== null) {
    const title = asText(asRecord(message.venue)?.title);
    return `[location: ${title === '' ? '' : `${title}, `}${placeText(location)}]`;
  }
  const contact = asRecord(message.contact);
  if (contact !== null) {
    return `[contact: ${[contact.first_name, contact.last_name, contact.phone_number].map(asText).filter(Boolean).join(' ')}]`;
  }
  const poll = asRecord(message.poll);
  if (poll !== null) {
    const choices = asRecords(poll.options).map(({ text }) => asText(text));
    return `[poll: ${asText(poll.question)} ${choices.join(' / ')}]`;
  }
  const checklist = asRecord(message.checklist);
  if (checklist !== null) {
    const tasks = asRecords(checklist.tasks).map(
      ({ text, completion_date }) => `- [${asInteger(completion_date) ? 'x' : ' '}] ${asText(text)}`,
    );
    return [`[checklist: ${asText(checklist.title)}]`, ...tasks].join('\n');
  }
  const paid = asRecord(message.paid_media);
  if (paid !== null) return `[media that costs ${asShownNumber(paid.star_count)} Telegram Stars]`;
  const story = asRecord(message.story);
  if (story !== null) {
    const chat = asRecord(story.chat);
    return `[story of ${asText(chat?.title) || asText(chat?.first_name) || 'somebody'}]`;
  }
  return asText(asRecord(message.sticker)?.emoji) || asText(asRecord(message.dice)?.emoji);
}

/** Latitude and longitude. */
export function placeText(location: JsonRecord | null): string {
  return `${asShownNumber(location?.latitude)}, ${asShownNumber(location?.longitude)}`;
}

function attachmentOf(file: JsonRecord, name: string, mediaType: string): readonly Attachment[] {
  // The unique id is the same everywhere, but only the other one fetches the file.
  const externalId = asId(file.file_id, MAX_FILE_ID_CHARACTERS);
  if (externalId === null) return [];
  const size = asInteger(file.file_size);
  return [
    {
      name: asText(file.file_name) || name,
      mediaType: asText(file.mime_type) || mediaType,
      sizeBytes: size !== null && size >= 0 ? size : null,
      externalId,
    },
  ];
}
