import type { Attachment } from '../../core/channel-event.ts';
import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';

/** How a file is had: by an address that needs no token, with the bot's token, or not at all. */
export type FileSource = 'download' | 'picture' | 'reference';

const mediaTypes: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  md: 'text/markdown',
  pdf: 'application/pdf',
  png: 'image/png',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  txt: 'text/plain',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
};
const CLIP = /^(?:audio|video)\/[\w.+-]{1,60}(?:;|$)/;
const MAX_URL_CHARACTERS = 8_000;

/**
 * What a message carries besides its text. The text as HTML and cards come as attachments, too: they are none. A file in
 * a personal chat has an address for fetching it; one in a channel or group chat only Microsoft Graph would give.
 *
 * Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/bots-filesv4
 */
export function parseAttachments(activity: JsonRecord): readonly Attachment[] {
  return asRecords(activity.attachments).flatMap((attachment): readonly Attachment[] => {
    const contentType = asText(attachment.contentType);
    const name = asText(attachment.name);
    if (contentType === 'application/vnd.microsoft.teams.file.download.info') {
      const content = asRecord(attachment.content);
      return fileOf('download', content?.downloadUrl, name || 'file', typeOf(name, content?.fileType));
    }
    if (contentType.startsWith('image/')) {
      const type = contentType === 'image/*' ? 'image/png' : contentType;
      return fileOf('picture', attachment.contentUrl, name || `picture.${type.slice('image/'.length)}`, type);
    }
    if (CLIP.test(contentType)) {
      const type = contentType.split(';', 1)[0] ?? contentType;
      return fileOf(
        'picture',
        attachment.contentUrl,
        name || `clip.${type.slice(type.indexOf('/') + 1)}`,
        type,
      );
    }
    if (contentType === 'reference')
      return fileOf('reference', attachment.contentUrl, name || 'file', typeOf(name, null));
    return [];
  });
}

/** What `Attachment.externalId` says about where the file is; `null`: it is none of ours. */
export function fileSourceOf(externalId: string): { readonly source: FileSource; readonly url: URL } | null {
  const [, source, text = ''] = /^(download|picture|reference) (.+)$/.exec(externalId) ?? [];
  const url = URL.parse(text);
  return source === undefined || url === null ? null : { source: source as FileSource, url };
}

function fileOf(source: FileSource, url: unknown, name: string, mediaType: string): readonly Attachment[] {
  if (typeof url !== 'string' || url.length > MAX_URL_CHARACTERS || !URL.canParse(url)) return [];
  return [{ name, mediaType, sizeBytes: null, externalId: `${source} ${new URL(url).href}` }];
}

function typeOf(name: string, fileType: unknown): string {
  const ending = (asText(fileType) || name.slice(name.lastIndexOf('.') + 1)).toLowerCase();
  return (Object.hasOwn(mediaTypes, ending) && mediaTypes[ending]) || 'application/octet-stream';
}
