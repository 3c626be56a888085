import { expect, it } from 'vitest';
import { readImageSize } from './read-image-size.ts';

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAADklEQVR4nGP4z8AAQhAKAB37A/0kqxKpAAAAAElFTkSuQmCC',
  'base64',
);
const gif = Buffer.from('R0lGODlhAgADAIAAAP///wAAACwAAAAAAgADAAACAoRRADs=', 'base64');
/** SOI, an APP0 segment, a fill byte, SOF0 of 3 lines of 2 samples. */
const jpeg = Buffer.from('ffd8ffe000044a46ffffc0000b080003000201011100', 'hex');
const riff = (chunk: string, payload: string) =>
  Buffer.concat([
    Buffer.from('RIFF\x20\0\0\0WEBP', 'latin1'),
    Buffer.from(chunk),
    Buffer.from(payload, 'hex'),
  ]);
const webp = riff('VP8X', '0a00000000000000010000020000');
const lossless = riff('VP8L', '0a0000002f0180000000000000');
const lossy = riff('VP8 ', '0a000000000000 9d012a 0200 0300'.replaceAll(' ', ''));

it.each([
  ['image/png', png],
  ['image/gif', gif],
  ['image/jpeg', jpeg],
  ['image/webp', webp],
  ['image/webp', lossless],
  ['image/webp', lossy],
] as const)('reads the size of %s', (mediaType, content) => {
  expect(readImageSize(content)).toEqual({ mediaType, width: 2, height: 3 });
});

it.each([png, gif, jpeg, webp, lossless, lossy])('takes nothing that ends within its header', (content) => {
  for (let length = 0; length < 10; length += 1)
    expect(readImageSize(content.subarray(0, length))).toBeNull();
});

it.each([
  ['of nothing', Buffer.alloc(0)],
  ['of text', Buffer.from('hello, this is no picture at all')],
  ['without width', Buffer.concat([png.subarray(0, 16), Buffer.alloc(8)])],
  ['whose picture begins before its frame', Buffer.from('ffd8ffda0004aaaaffd9', 'hex')],
])('takes no file %s', (_what, content) => {
  expect(readImageSize(content)).toBeNull();
});
