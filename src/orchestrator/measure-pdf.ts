import { constants, inflateSync } from 'node:zlib';

/** How much there is to read in a PDF: what a provider makes of it at most. */
export interface PdfSize {
  readonly pages: number;
  /** The text of all pages together is no longer, as far as any model reads. */
  readonly textBytes: number;
}

/** All that is unpacked of one document, in bytes: a small file can hold gigabytes. */
const MAX_UNPACKED_BYTES = 10_000_000;
/** No model reads a longer prompt, in tokens; what draws itself again and again comes to that at most. */
const LONGEST_PROMPT = 2_000_000;

/** What draws something: a page's content, or a form that others draw. */
interface DrawingStream {
  readonly object: string;
  readonly isForm: boolean;
  readonly bytes: number;
  /** How often it draws something else. */
  readonly draws: number;
}

/**
 * Counts the pages of a PDF and the bytes that may draw text, without reading it: no text is longer than what draws it, as
 * often as that is drawn. `null`: it is none, it is encrypted, or nobody can tell; then what it costs is not known either.
 *
 * Source: https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf (7.3.8 streams, 7.5.7 object
 * streams, 7.7.3.3 page objects, 8.10 form XObjects)
 */
export function measurePdf(content: Buffer): PdfSize | null {
  const text = content.toString('latin1');
  if (!/^[\s\S]{0,1024}%PDF-\d/.test(text.slice(0, 1_032)) || /\/Encrypt\b/.test(text)) return null;
  const drawing: DrawingStream[] = [];
  const objects: string[] = [];
  let unpackedBytes = 0;
  let at = 0;
  for (const match of text.matchAll(/(?<!end)stream\r?\n/g)) {
    if (match.index < at) continue; // within a stream
    const start = match.index + match[0].length;
    const end = text.indexOf('endstream', start);
    if (end === -1) return null;
    const before = text.slice(at, match.index);
    objects.push(before);
    at = end;
    const [, object = '', dictionary = ''] =
      /(\d+)\s+\d+\s+obj((?:(?!\d\s+obj)[\s\S])*)$/.exec(before.slice(-MAX_DICTIONARY)) ?? [];
    if (NO_TEXT.test(dictionary)) continue;
    const raw = content.subarray(start, end);
    const unpacked = /\/FlateDecode\b/.test(dictionary)
      ? unpack(raw, MAX_UNPACKED_BYTES - unpackedBytes)
      : raw;
    if (unpacked === null) return null;
    unpackedBytes += unpacked.length;
    const inside = unpacked.toString('latin1');
    if (/\/ObjStm\b/.test(dictionary)) objects.push(inside);
    else {
      const isForm = /\/Subtype\s*\/Form\b/.test(dictionary);
      drawing.push({ object, isForm, bytes: unpacked.length, draws: inside.match(/\bDo\b/g)?.length ?? 0 });
    }
  }
  objects.push(text.slice(at));
  const all = objects.join('\n');
  const pages = (all.match(/\/Type\s*\/Page(?![A-Za-z])/g) ?? []).length;
  return pages === 0
    ? null
    : { pages, textBytes: Math.min(textBytes(drawing, references(all)), LONGEST_PROMPT) };
}

/** Longer ones are cut: what would make them none of text then stands where it is not looked for, and they count. */
const MAX_DICTIONARY = 4_000;
/** Pictures, fonts and cross references. */
const NO_TEXT = /\/Subtype\s*\/(Image|Type1C|CIDFontType0C|OpenType)\b|\/Length1\b|\/Type\s*\/XRef\b/;

/** How often each object is named by others. */
function references(objects: string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [, object = ''] of objects.matchAll(/\b(\d+)\s\d+\sR\b/g))
    counts.set(object, (counts.get(object) ?? 0) + 1);
  return counts;
}

/** Pages may share their content, and draw one form many times; forms that draw others may come to anything. */
function textBytes(drawing: readonly DrawingStream[], named: ReadonlyMap<string, number>): number {
  const forms = drawing.filter(({ isForm }) => isForm);
  const largestForm = Math.max(0, ...forms.map(({ bytes }) => bytes));
  if (forms.some(({ draws }) => draws > 0)) return LONGEST_PROMPT;
  return drawing.reduce((sum, { object, bytes, draws }) => {
    const times = Math.max(1, named.get(object) ?? 0);
    return sum + times * (bytes + draws * largestForm);
  }, 0);
}

function unpack(packed: Buffer, maxOutputLength: number): Buffer | null {
  if (maxOutputLength <= 0) return null;
  try {
    // Before `endstream` there may be a line break that belongs to nobody.
    return inflateSync(packed, { maxOutputLength, finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return null; // damaged, or larger than that
  }
}
