import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { openBackup } from './read-backup.ts';

const head =
  '{"konstruct":"backup","format":1,"version":"1","madeAt":"x","migrations":[{"name":"a","checksum":"b"}]}\n';
const turns = '1\tone\n2\t\\\\.\n3\t\\N\n';
const text = `${head}{"table":"turns","columns":["id","note"]}\n${turns}\\.\n{"table":"steps","columns":["id"]}\n\\.\n{"rows":{"turns":3,"steps":0},"sequences":{"turns_id_seq":"9"}}\n`;

/** Each piece is a gzip of its own (RFC 1952, section 2.2), and comes out of it as a piece again. */
function inPieces(whole: string, length: number): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < whole.length; at += length) pieces.push(gzipSync(whole.slice(at, at + length)));
  return Readable.from(pieces);
}

async function readAll(source: Readable) {
  const { sections } = await openBackup(source);
  const tables: Record<string, string> = {};
  const reading = sections();
  let section = await reading.next();
  for (; !section.done; section = await reading.next()) {
    let rows = '';
    for await (const chunk of section.value.rows()) rows += chunk.toString();
    tables[section.value.table] = rows;
  }
  return { tables, foot: section.value };
}

describe('a backup', () => {
  it.each([1, 2, 3, 7, 64, 10_000])('is read the same in pieces of %i bytes', async (length) => {
    expect(await readAll(inPieces(text, length))).toEqual({
      tables: { turns, steps: '' },
      foot: { rows: { turns: 3, steps: 0 }, sequences: { turns_id_seq: '9' } },
    });
  });

  it('that ends anywhere before its end was cut off', async () => {
    for (let end = head.length; end < text.length; end += 1) {
      await expect(readAll(inPieces(text.slice(0, end), 50)), String(end)).rejects.toMatchObject({
        code: 'backup_unreadable',
      });
    }
  });

  it('whose names are no names is refused before they reach SQL', async () => {
    const evil = text.replace('"turns"', '"turns; drop schema konstruct"');
    await expect(readAll(inPieces(evil, 1_000))).rejects.toMatchObject({ code: 'backup_unreadable' });
  });
});
