import type { Attachment } from '../../core/channel-event.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

const MAX_GIFS = 5;
const MAX_ADDRESS_CHARACTERS = 500;

/** Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages.attachments */
export function attachmentOf(attachment: JsonRecord): readonly Attachment[] {
  const resource = asText(asRecord(attachment.attachmentDataRef)?.resourceName);
  const driveId = asText(asRecord(attachment.driveDataRef)?.driveFileId);
  const externalId = resource !== '' ? `media ${resource}` : driveId === '' ? '' : `drive ${driveId}`;
  if (externalId === '' || externalId.length > 2_000) return [];
  return [
    {
      name: asText(attachment.contentName) || 'file',
      mediaType: asText(attachment.contentType) || 'application/octet-stream',
      sizeBytes: null,
      externalId,
    },
  ];
}

/**
 * GIFs that were chosen in Chat. They lie with whoever offers them, and Chat tells their addresses only.
 *
 * Source: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages#AttachedGif
 */
export function gifText(message: JsonRecord): string {
  const gifs = asRecords(message.attachedGifs).slice(0, MAX_GIFS);
  return gifs.map(({ uri }) => `[GIF: ${addressOf(uri)}]`).join(' ');
}

function addressOf(uri: unknown): string {
  const url = URL.parse(asText(uri));
  const isShown = url !== null && /^https?:$/.test(url.protocol) && url.href.length <= MAX_ADDRESS_CHARACTERS;
  return isShown ? url.href : 'without an address';
}
