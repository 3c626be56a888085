import type { ToolFile } from '../core/tool.ts';
import type { AnswerFile } from '../core/turn.ts';

const MAX_BYTES = 1_000_000;
const MAX_FILES = 10;
/** All files of a turn are kept in its log and its deliveries until they are sent. */
const MAX_BYTES_OF_TURN = 4_000_000;
/** What may stand in an answer where files cannot be sent. */
const MAX_INLINE_CHARACTERS = 3_000;
const MAX_NAME_CHARACTERS = 100;
const TEXT_LIKE =
  /^(text\/[\w.+-]+|application\/([\w.-]+\+)?(json|xml|yaml)|application\/(x-yaml|javascript|sql)|image\/svg\+xml)$/;
const MEDIA_TYPE = /^[a-z0-9][\w.+-]{0,80}\/[a-z0-9][\w.+-]{0,80}$/i;

/** What becomes of files that a tool made. */
export interface PlacedFiles {
  /** Those that go with the answer. */
  readonly files: readonly AnswerFile[];
  /** What the model is told of each, in a line. */
  readonly notes: readonly string[];
}

/**
 * Decides what becomes of files that a tool made: sent behind the answer, written into it where the platform takes no files
 * and they are short, or left out. The model is told, so that it does not promise what will not come.
 *
 * @param earlier what other calls of the turn made
 * @param outgoingBytes the largest file that can be sent here; `null`: none can
 */
export function placeFiles(
  made: readonly ToolFile[],
  earlier: readonly AnswerFile[],
  outgoingBytes: number | null,
): PlacedFiles {
  const files: AnswerFile[] = [];
  const notes: string[] = [];
  let total = earlier.reduce((sum, { content }) => sum + decodedBytes(content), 0);
  for (const file of made) {
    const content = typeof file.content === 'string' ? Buffer.from(file.content) : Buffer.from(file.content);
    const name = plainName(file.name);
    const mediaType = MEDIA_TYPE.test(file.mediaType)
      ? file.mediaType.toLowerCase()
      : 'application/octet-stream';
    const placed = { name, mediaType, content: content.toString('base64') };
    const most = Math.min(MAX_BYTES, outgoingBytes ?? MAX_BYTES);
    const refusal =
      earlier.length + files.length >= MAX_FILES
        ? `at most ${MAX_FILES} files go with one answer`
        : content.length > most
          ? `it has ${content.length} bytes, and at most ${most} can be sent here`
          : total + content.length > MAX_BYTES_OF_TURN
            ? `the files of one answer may have ${MAX_BYTES_OF_TURN} bytes together`
            : outgoingBytes === null && !isInline(placed)
              ? 'files cannot be sent here; say what matters in your answer'
              : null;
    if (refusal !== null) {
      notes.push(`[${name} is not sent: ${refusal}.]`);
      continue;
    }
    files.push(placed);
    total += content.length;
    notes.push(
      outgoingBytes === null
        ? `[Files cannot be sent here: the content of ${name} will stand below your answer.]`
        : `[${name} will be sent with your answer.]`,
    );
  }
  return { files, notes };
}

/** Whether a file may stand in an answer as text. */
function isInline({ mediaType, content }: AnswerFile): boolean {
  return TEXT_LIKE.test(mediaType) && decodedBytes(content) <= MAX_INLINE_CHARACTERS;
}

/** A file as a part of a text, for where files cannot be sent. */
export function asCodeBlock({ name, content }: AnswerFile): string {
  const text = Buffer.from(content, 'base64').toString('utf8').trimEnd();
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length));
  const fence = '`'.repeat(longest + 1);
  return `**${name.replaceAll(/[*_`[\]\\]/g, '\\$&')}**\n\n${fence}\n${text}\n${fence}`;
}

function decodedBytes(base64: string): number {
  return Buffer.byteLength(base64, 'base64');
}

/** A name that is no path and no more than a line. */
function plainName(name: string): string {
  const plain = name
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}"<>|:*?]+/gu, ' ')
    .split(/[/\\]/)
    .at(-1)
    ?.trim()
    .slice(-MAX_NAME_CHARACTERS)
    .toWellFormed();
  return plain === undefined || /^\.*$/.test(plain) ? 'file.txt' : plain;
}
