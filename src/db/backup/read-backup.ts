import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { z } from 'zod';
import {
  type BackupFoot,
  type BackupHead,
  END_OF_ROWS,
  footSchema,
  headSchema,
  type SectionHead,
  sectionSchema,
  unreadable,
} from './backup-format.ts';

/** A backup being read from front to end. */
export interface BackupReader {
  readonly head: BackupHead;
  /**
   * The tables in the order of the file. The rows of each have to be read to their end before the next is asked for.
   * Complete only with the foot: without it, the file was cut off.
   */
  sections(): AsyncGenerator<BackupSection, BackupFoot>;
}

export interface BackupSection extends SectionHead {
  /** In the text format of COPY, as `copy … from stdin` takes them. */
  rows(): AsyncGenerator<Buffer>;
}

const LINE_FEED = 0x0a;
const END_AFTER_ROWS = Buffer.concat([Buffer.from('\n'), END_OF_ROWS]);
/** The head and what names a table have some hundred bytes; only rows are longer. */
const MAX_LINE_BYTES = 1_000_000;

/** @throws KonstructError `backup_unreadable` here or later: no backup, a damaged one, or one that was cut off */
export async function openBackup(source: Readable): Promise<BackupReader> {
  const chunks = unzip(source);
  let kept: Buffer = Buffer.alloc(0);

  /** More of the file behind what is kept; `false` at its end. */
  async function readOn(): Promise<boolean> {
    const { done, value } = await chunks.next();
    if (done) return false;
    kept = kept.length === 0 ? value : Buffer.concat([kept, value]);
    return true;
  }

  async function readLine(): Promise<unknown> {
    for (;;) {
      const end = kept.indexOf(LINE_FEED);
      if (end >= 0) {
        const line = kept.toString('utf8', 0, end);
        kept = kept.subarray(end + 1);
        return parseJson(line);
      }
      if (kept.length > MAX_LINE_BYTES) throw unreadable('it is no backup of Konstruct');
      if (!(await readOn())) throw unreadable('it was cut off');
    }
  }

  async function* readRows(): AsyncGenerator<Buffer> {
    for (;;) {
      // What is kept begins with a line: so the end is at the front or behind a line feed.
      const isOver = kept.subarray(0, END_OF_ROWS.length).equals(END_OF_ROWS);
      const end = isOver ? 0 : kept.indexOf(END_AFTER_ROWS) + 1;
      if (isOver || end > 0) {
        if (end > 0) yield kept.subarray(0, end);
        kept = kept.subarray(end + END_OF_ROWS.length);
        return;
      }
      const whole = kept.lastIndexOf(LINE_FEED) + 1;
      if (whole > 0) yield kept.subarray(0, whole);
      kept = kept.subarray(whole);
      if (!(await readOn())) throw unreadable('it was cut off');
    }
  }

  const head = parse(headSchema, await readLine(), 'it is no backup of Konstruct');
  return {
    head,
    async *sections() {
      for (;;) {
        const line = await readLine();
        const foot = footSchema.safeParse(line);
        if (foot.success) {
          // Also checks the checksum of what was unzipped.
          if (kept.length > 0 || (await readOn())) throw unreadable('something follows its end');
          return foot.data;
        }
        yield { ...parse(sectionSchema, line, 'a line of it is damaged'), rows: readRows };
      }
    },
  };
}

async function* unzip(source: Readable): AsyncGenerator<Buffer> {
  const gunzip = createGunzip();
  source.once('error', (error) => gunzip.destroy(error));
  source.pipe(gunzip);
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    if (code === 'Z_BUF_ERROR') throw unreadable('it was cut off', cause);
    if (code === 'Z_DATA_ERROR') throw unreadable('it is no backup of Konstruct, or damaged', cause);
    throw unreadable((cause as Error).message, cause);
  } finally {
    source.destroy();
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw unreadable('it is no backup of Konstruct, or damaged', cause);
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, line: unknown, why: string): z.infer<Schema> {
  const parsed = schema.safeParse(line);
  if (parsed.success) return parsed.data;
  throw unreadable(why, parsed.error);
}
