import type { Attachment } from '../../core/channel-event.ts';
import { asId, asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { asSnowflake } from './ids.ts';
import { forwardedMessage } from './message-text.ts';

/** Where a file is: its address ends after a day, so it is asked for again when it is fetched. */
export interface AttachmentRef {
  readonly channelId: string;
  readonly messageId: string;
  readonly attachmentId: string;
}

/** Source: https://discord.com/developers/docs/resources/message#attachment-object */
export function parseAttachments(message: JsonRecord, shownIn: string): readonly Attachment[] {
  const channelId = asSnowflake(message.channel_id) ?? asSnowflake(shownIn);
  const messageId = asSnowflake(message.id);
  if (channelId === null || messageId === null) return [];
  return filesOf(message).flatMap((file) => {
    const attachmentId = asSnowflake(file.id);
    if (attachmentId === null) return [];
    const { size } = file;
    const mediaType = asText(file.content_type).split(';', 1)[0]?.trim() ?? '';
    return [
      {
        name: asText(file.filename) || 'file',
        mediaType: mediaType || 'application/octet-stream',
        sizeBytes: typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : null,
        externalId: formatRef({ channelId, messageId, attachmentId }),
      },
    ];
  });
}

/** The files of a message, and of the one that it forwards. */
export function filesOf(message: JsonRecord): readonly JsonRecord[] {
  const forwarded = forwardedMessage(message);
  return [...asRecords(message.attachments), ...asRecords(asRecord(forwarded)?.attachments)];
}

function formatRef({ channelId, messageId, attachmentId }: AttachmentRef): string {
  return `${channelId}/${messageId}/${attachmentId}`;
}

/** `null`: no file of a message. */
export function parseRef(externalId: string): AttachmentRef | null {
  const [channelId, messageId, attachmentId, ...more] = (asId(externalId) ?? '').split('/').map(asSnowflake);
  if (!channelId || !messageId || !attachmentId || more.length > 0) return null;
  return { channelId, messageId, attachmentId };
}
