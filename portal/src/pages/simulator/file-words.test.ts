import { describe, expect, it } from 'vitest';
import { fileKind, formatBytes, isPicture } from './file-words.ts';

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KB'],
    [10_200, '10 KB'],
    [1_048_575, '1024 KB'],
    [1_572_864, '1.5 MB'],
    [52_428_800, '50 MB'],
  ])('says %d bytes as %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

it('tells what kind of file it is by its name', () => {
  expect(['a.csv', 'b.tar.gz', 'README', 'x.veryLongEnding', '.env'].map(fileKind)).toEqual([
    'CSV',
    'GZ',
    'File',
    'File',
    'ENV',
  ]);
});

it('draws pictures, and documents not', () => {
  expect(['image/png', 'image/svg+xml', 'application/pdf', 'image/tiff'].map(isPicture)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
