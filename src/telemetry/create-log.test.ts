import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createLog, type LogLevel } from './create-log.ts';

/** What is written, line by line. */
function linesOf(level: LogLevel, write: (log: Log) => void): readonly Record<string, unknown>[] {
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'log');
  const destination = openSync(file, 'a');
  write(createLog({ level, destination }));
  closeSync(destination);
  const text = readFileSync(file, 'utf8').trim();
  return text === '' ? [] : text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
}

it('writes one line of JSON per event, whatever the fields hold', () => {
  const hostile = { name: 'a\nb\u2028"}', bytes: Buffer.from('x'), big: { nested: [null, undefined] } };
  const lines = linesOf('debug', (log) => {
    log.debug('one', hostile);
    log.info('two', { error: 'no error at all' });
    log.warn('three');
    log.error('four', { error: new Error('line\nbreak') });
  });
  expect(lines.map(({ level, event }) => [level, event])).toEqual([
    ['debug', 'one'],
    ['info', 'two'],
    ['warn', 'three'],
    ['error', 'four'],
  ]);
});

it('leaves out what a database error knows of the statement and its values', () => {
  const cause = Object.assign(new Error('invalid input syntax for type json'), {
    code: '22P02',
    detail: 'the words of a person',
    where: 'JSON data, line 1: the words of a person',
    parameters: ['the words of a person'],
  });
  const lines = linesOf('debug', (log) => {
    log.error('turn.crashed', { error: cause });
    log.error('turn.dead', { error: new KonstructError('internal', undefined, { cause }) });
  });
  expect(lines).toHaveLength(2);
  expect(JSON.stringify(lines)).toContain('22P02');
  expect(JSON.stringify(lines)).not.toContain('the words of a person');
});

it('writes nothing below its level', () => {
  expect(linesOf('warn', (log) => log.info('turn.answered'))).toEqual([]);
});
