import { deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { measurePdf } from './measure-pdf.ts';

/** A PDF of objects that are written as they are. */
function pdf(...objects: readonly (string | Buffer)[]): Buffer {
  const parts = objects.flatMap((object, index) => [`${index + 1} 0 obj\n`, object, '\nendobj\n']);
  return Buffer.concat(
    ['%PDF-1.7\n', ...parts, 'trailer << /Root 1 0 R >>\n%%EOF'].map((part) => Buffer.from(part as string)),
  );
}

function stream(dictionary: string, content: Buffer): Buffer {
  return Buffer.concat([
    Buffer.from(`<< ${dictionary} /Length ${content.length} >>\nstream\r\n`),
    content,
    Buffer.from('\nendstream'),
  ]);
}

const page = '<< /Type /Page /Parent 2 0 R >>';
const catalogue = '<< /Type /Catalog /Pages 2 0 R >>';
const packed = (text: string) => stream('/Filter /FlateDecode', deflateSync(text));

it('counts pages and what may draw text, packed or not', () => {
  const text = 'BT (Hello, this is a page) Tj ET '.repeat(20);
  const plain = Buffer.from('BT (plain /Type /Page) Tj ET');
  const document = pdf(
    catalogue,
    '<< /Type /Pages /Count 2 >>',
    page,
    '<</Type/Page/Contents 5 0 R>>',
    packed(text),
    stream('', plain),
  );
  expect(measurePdf(document)).toEqual({ pages: 2, textBytes: text.length + plain.length + 1 });
});

it('finds pages that stand in packed object streams', () => {
  const objects = deflateSync(`3 0 4 30 ${page} ${page} << /Type /Pages /Count 2 >>`);
  const document = pdf(catalogue, stream('/Type /ObjStm /N 3 /First 9 /Filter /FlateDecode', objects));
  expect(measurePdf(document)).toEqual({ pages: 2, textBytes: 0 });
});

it('counts what is drawn again as often as it is drawn', () => {
  const shared = pdf(
    catalogue,
    '<</Type/Page/Contents 4 0 R>>',
    '<</Type/Page/Contents 4 0 R>>',
    packed('x'.repeat(100)),
  );
  expect(measurePdf(shared)).toEqual({ pages: 2, textBytes: 200 });
  const form = (content: string) => stream('/Subtype /Form /Filter /FlateDecode', deflateSync(content));
  const stamped = pdf(page, packed('/Fm Do '.repeat(50)), form('y'.repeat(100)));
  expect(measurePdf(stamped)).toEqual({ pages: 1, textBytes: 350 + 50 * 100 + 100 });
  // Forms that draw forms may come to anything, but no model reads more than this.
  const nested = pdf(page, packed('/Fm Do'), form('/Fm1 Do /Fm1 Do'), form('z'));
  expect(measurePdf(nested)).toEqual({ pages: 1, textBytes: 2_000_000 });
});

it('does not count pictures and fonts as text', () => {
  const bytes = Buffer.alloc(5_000, 7);
  const document = pdf(
    page,
    stream('/Type /XObject /Subtype /Image /Filter /DCTDecode', bytes),
    stream('/Length1 5000', bytes),
  );
  expect(measurePdf(document)).toEqual({ pages: 1, textBytes: 0 });
});

it.each([
  ['is none', Buffer.from('GIF89a')],
  ['is encrypted', pdf(page, '<< /Encrypt 9 0 R >>')],
  ['has no pages that can be seen', pdf(catalogue)],
  ['is damaged', pdf(page, stream('/Filter /FlateDecode', Buffer.from('no deflate')))],
  ['ends within a stream', pdf(page, packed('x')).subarray(0, 110)],
  ['unpacks to far more than it is', pdf(page, packed('x'.repeat(10_000_001)))],
])('gives up what %s', (_what, content) => {
  expect(measurePdf(content)).toBeNull();
});

it('takes little time for what is made to take much', () => {
  const startedAtMs = performance.now();
  measurePdf(Buffer.from(`%PDF-1.4\n${'stream\n'.repeat(500_000)}`));
  measurePdf(Buffer.from(`%PDF-1.4\n${'stream\nendstream '.repeat(200_000)}`));
  expect(performance.now() - startedAtMs).toBeLessThan(2_000);
});
