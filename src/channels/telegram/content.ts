import type { Attachment } from '../../core/channel-event.ts';
import { asRecord, type JsonRecord } from '../read-json.ts';
import { MAX_ATTACHMENTS, parseAttachments } from './attachments.ts';
import { type NormalisedText, normaliseText } from './normalise-text.ts';
import { flattenRichMessage } from './rich-text.ts';

/** What a message says and carries. */
export interface Content {
  readonly normalised: NormalisedText;
  readonly attachments: readonly Attachment[];
}

/** A message has a text, or a rich one in its place, or files with a caption. */
export function readContent(message: JsonRecord): Content {
  const attachments = parseAttachments(message);
  if (typeof message.text === 'string')
    return { normalised: normaliseText(message.text, message.entities), attachments };
  const rich = asRecord(message.rich_message);
  if (rich !== null) {
    const { text, entities, media } = flattenRichMessage(rich);
    return {
      normalised: normaliseText(text, entities),
      attachments: [...attachments, ...media.flatMap(parseAttachments)].slice(0, MAX_ATTACHMENTS),
    };
  }
  const caption = typeof message.caption === 'string' ? message.caption : '';
  return { normalised: normaliseText(caption, message.caption_entities), attachments };
}
