import { constants, inflateSync } from 'node:zlib';

/** How much there is to read in a PDF: what a provider makes of it at most. */
export interface PdfSize {
  readonly pages: number;
  /** No text in it is longer than the bytes that draw it. */
  readonly textBytes: number;
}

/** All that is unpacked of one document, in bytes: a small file can hold gigabytes. */
const MAX_UNPACKED_BYTES = 10_000_000;

/**
 * Counts the pages of a PDF and the bytes that may draw text, without reading it. `null`: it is none, it is encrypted, or
 * nobody can tell; then what it costs is not known either.
 *
 * Source: https://opensource.adobe.com/dc-acrobat-sdk-docs/pdfstandards/PDF32000_2008.pdf (7.3.8 streams, 7.5.7 object
 * streams, 7.7.3.3 page objects)
 */
export function measurePdf(content: Buffer): PdfSize | null {
  const text = content.toString('latin1');
  if (!/^[\s\S]{0,1024}%PDF-\d/.test(text.slice(0, 1_032)) || /\/Encrypt\b/.test(text)) return null;
  let pages = 0;
  let textBytes = 0;
  let unpackedBytes = 0;
  let outside = '';
  let at = 0;
  for (const match of text.matchAll(/(?<!end)stream\r?\n/g)) {
    if (match.index < at) continue; // within a stream
    const start = match.index + match[0].length;
    const end = text.indexOf('endstream', start);
    if (end === -1) return null;
    const before = text.slice(at, match.index);
    outside += before;
    at = end;
    const dictionary = before.slice(before.lastIndexOf('obj') + 1);
    if (NO_TEXT.test(dictionary)) continue;
    const raw = content.subarray(start, end);
    const unpacked = /\/FlateDecode\b/.test(dictionary)
      ? unpack(raw, MAX_UNPACKED_BYTES - unpackedBytes)
      : raw;
    if (unpacked === null) return null;
    unpackedBytes += unpacked.length;
    if (/\/ObjStm\b/.test(dictionary)) pages += countPages(unpacked.toString('latin1'));
    else textBytes += unpacked.length;
  }
  pages += countPages(outside + text.slice(at));
  return pages === 0 ? null : { pages, textBytes };
}

/** Pictures, fonts and cross references. */
const NO_TEXT = /\/Subtype\s*\/(Image|Type1C|CIDFontType0C|OpenType)\b|\/Length1\b|\/Type\s*\/XRef\b/;

function countPages(text: string): number {
  return (text.match(/\/Type\s*\/Page(?![A-Za-z])/g) ?? []).length;
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
