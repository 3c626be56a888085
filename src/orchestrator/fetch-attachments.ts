import type { Attachment } from '../core/channel-event.ts';
import type { Delivery } from '../core/delivery.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { mapConcurrently } from '../core/map-concurrently.ts';
import type { PromptFile } from '../core/model.ts';
import type { ClaimedTurn } from '../core/turn.ts';
import type { FilesInHand } from './create-files-in-hand.ts';
import { measurePdf } from './measure-pdf.ts';
import { readImageSize } from './read-image-size.ts';
import { codeOf, turnIds } from './turn-outcome.ts';

/** What the model gets of an attachment. */
export type ShownAttachment =
  /** It looks at the file itself, if it can. */
  | { readonly kind: 'file'; readonly file: PromptFile }
  | { readonly kind: 'text'; readonly text: string }
  /** Its name only, and why. */
  | { readonly kind: 'named'; readonly reason: string };

/** Fetches attachments and makes them what a model reads, in order. Never fails because of one. */
export type FetchAttachments = (
  turn: ClaimedTurn,
  attachments: readonly Attachment[],
  signal: AbortSignal,
) => Promise<readonly ShownAttachment[]>;

const MAX_FILES = 8;
const MAX_AT_A_TIME = 3;
const MAX_TOTAL_BYTES = 12_000_000;
const DEADLINE_MS = 15_000;
/**
 * The largest that every provider takes: 5 MB in base64, 8,000 pixels a side, 100 pages.
 *
 * Sources: https://platform.claude.com/docs/en/build-with-claude/vision,
 * https://platform.claude.com/docs/en/build-with-claude/pdf-support
 */
const MAX_BYTES = { image: 3_750_000, pdf: 10_000_000, text: 1_000_000 } as const;
const MAX_PIXELS = 8_000;
const MAX_PAGES = 100;
/** Of texts, in characters: of one, and of all that one prompt shows. */
const MAX_TEXT_CHARACTERS = 40_000;
const MAX_ALL_TEXT_CHARACTERS = 80_000;

const TEXT_TYPE =
  /^(text\/[\w.+-]+|application\/([\w.-]+\+)?(json|xml|yaml|toml)|application\/(x-yaml|x-ndjson|javascript|x-javascript|typescript|sql|x-sh|csv)|image\/svg\+xml)$/;
/** Platforms do not always know what a file is. */
const TEXT_NAME =
  /\.(txt|md|markdown|csv|tsv|json|jsonl|ndjson|ya?ml|toml|ini|conf|log|xml|html?|css|svg|sql|sh|bash|ps1|js|mjs|cjs|ts|tsx|jsx|py|rb|go|rs|java|kt|cs|c|h|cc|cpp|hpp|php|swift|scala|lua|r|pl|vue|svelte|diff|patch|tex|env|gitignore|dockerfile)$/i;

export function createFetchAttachments(options: {
  readonly delivery: Pick<Delivery, 'abilities' | 'fetchFile'>;
  readonly filesInHand: FilesInHand;
  readonly log: Log;
  /** For all files of one prompt; ms. */
  readonly deadlineMs?: number;
}): FetchAttachments {
  const { delivery, filesInHand, log, deadlineMs = DEADLINE_MS } = options;
  return async (turn, attachments, signal) => {
    if (attachments.length === 0) return [];
    const { incomingBytes } = delivery.abilities(turn);
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
    const shown: ShownAttachment[] = [];
    let bytesLeft = MAX_TOTAL_BYTES;
    await mapConcurrently(
      attachments.map((attachment, index) => ({ attachment, index })),
      MAX_AT_A_TIME,
      async ({ attachment, index }) => {
        shown[index] = await show(turn, attachment, index, incomingBytes, deadline);
      },
    );
    signal.throwIfAborted();
    return withinAllText(shown);

    async function show(
      of: ClaimedTurn,
      attachment: Attachment,
      index: number,
      largest: number | null,
      until: AbortSignal,
    ): Promise<ShownAttachment> {
      const kind = kindOf(attachment);
      if (kind === null) return named('files of this kind cannot be read');
      if (largest === null) return named('files cannot be fetched here');
      if (index >= MAX_FILES) return named(`only the first ${MAX_FILES} files are read`);
      const maxBytes = Math.min(MAX_BYTES[kind], largest);
      if ((attachment.sizeBytes ?? 0) > maxBytes) return named(tooLarge(maxBytes));
      if (bytesLeft <= 0) return named('there are too many large files');
      const setAside = attachment.sizeBytes ?? maxBytes;
      const giveBack = await filesInHand.take(of.turnId, setAside, until);
      let keptBytes = 0;
      try {
        until.throwIfAborted();
        const fetched = await orAborted(delivery.fetchFile(of, attachment, maxBytes, until), until);
        const content = Buffer.from(fetched.content);
        if (content.length > maxBytes) return named(tooLarge(maxBytes));
        bytesLeft -= content.length;
        if (bytesLeft < 0) return named('there are too many large files');
        keptBytes = content.length;
        return read(kind, attachment, content);
      } catch (error) {
        const code = deadline.aborted ? 'deadline' : codeOf(error);
        if (!signal.aborted) log.warn('attachment.unread', { ...turnIds(of), code });
        if (isKonstructError(error, 'attachment_too_large')) return named(tooLarge(maxBytes));
        return named(deadline.aborted ? 'it could not be fetched in time' : 'it could not be fetched');
      } finally {
        giveBack?.(setAside - keptBytes);
      }
    }
  };
}

type ReadableKind = keyof typeof MAX_BYTES;

/** By type, and by name where the type says nothing. */
function kindOf({ mediaType, name }: Attachment): ReadableKind | null {
  const type = mediaType.toLowerCase().split(';', 1)[0]?.trim() ?? '';
  if (/^image\/(png|jpe?g|gif|webp)$/.test(type)) return 'image';
  if (type === 'application/pdf') return 'pdf';
  if (TEXT_TYPE.test(type)) return 'text';
  const isUnknown = type === '' || type === 'application/octet-stream' || type === 'binary/octet-stream';
  if (!isUnknown && !/^video\/(mp2t|vnd\.dlna\.mpeg-tts)$/.test(type)) return null; // .ts
  if (/\.(png|jpe?g|gif|webp)$/i.test(name)) return 'image';
  if (/\.pdf$/i.test(name)) return 'pdf';
  return TEXT_NAME.test(name) ? 'text' : null;
}

function read(kind: ReadableKind, { name }: Attachment, content: Buffer): ShownAttachment {
  switch (kind) {
    case 'image': {
      const image = readImageSize(content);
      if (image === null) return named('it is damaged, or no image');
      if (image.width > MAX_PIXELS || image.height > MAX_PIXELS)
        return named(`it has more than ${MAX_PIXELS} pixels on a side`);
      return { kind: 'file', file: { kind, name, mediaType: image.mediaType, content } };
    }
    case 'pdf': {
      const size = measurePdf(content);
      if (size === null) return named('it is encrypted, damaged or too complex');
      if (size.pages > MAX_PAGES) return named(`it has more than ${MAX_PAGES} pages`);
      return { kind: 'file', file: { kind, name, mediaType: 'application/pdf', content, ...size } };
    }
    case 'text':
      return content.includes(0) ? named('it is no text') : { kind: 'text', text: content.toString('utf8') };
    default:
      return kind satisfies never;
  }
}

function withinAllText(shown: readonly ShownAttachment[]): readonly ShownAttachment[] {
  let left = MAX_ALL_TEXT_CHARACTERS;
  return shown.map((attachment) => {
    if (attachment.kind !== 'text') return attachment;
    const { text } = attachment;
    const most = Math.min(left, MAX_TEXT_CHARACTERS);
    left -= Math.min(text.length, most);
    if (text.length <= most) return attachment;
    if (most === 0) return named('there is too much text already');
    const cut = text.slice(0, most).toWellFormed();
    return {
      kind: 'text',
      text: `${cut}\n[cut here: these are the first ${most} of ${text.length} characters]`,
    };
  });
}

function named(reason: string): ShownAttachment {
  return { kind: 'named', reason };
}

function tooLarge(maxBytes: number): string {
  return `it is larger than ${(maxBytes / 1_000_000).toLocaleString('en', { maximumFractionDigits: 2 })} MB`;
}

/** A channel that does not react to its signal is not waited for. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(new KonstructError('aborted', 'The file did not come in time.'));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
