import {
  appendFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { boundServerLog, readServerLog, serverLogSize } from './server-log.ts';

function logFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'konstruct-log-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'postgres.log');
}

test('moves a log that is too large aside, and the server writes on into the same file', () => {
  const path = logFile();
  const server = openSync(path, 'a');
  writeSync(server, 'old line\n'.repeat(10));
  boundServerLog(path, 50);
  writeSync(server, 'new line\n');
  expect(readFileSync(path, 'utf8')).toBe('new line\n');
  expect(statSync(`${path}.1`).size).toBe(90);
});

test('leaves a small log and a missing one alone', () => {
  const path = logFile();
  boundServerLog(path, 50);
  writeFileSync(path, 'line\n');
  boundServerLog(path, 50);
  expect(readFileSync(path, 'utf8')).toBe('line\n');
});

test('reads only what came after a point, and everything if the log was emptied meanwhile', () => {
  const path = logFile();
  expect(readServerLog(path, 0)).toBe('');
  writeFileSync(path, 'before\n');
  const start = serverLogSize(path);
  appendFileSync(path, 'after\n');
  expect(readServerLog(path, start)).toBe('after\n');
  writeFileSync(path, 'new\n');
  expect(readServerLog(path, start)).toBe('new\n');
});
