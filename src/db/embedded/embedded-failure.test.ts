import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { KonstructError } from '../../core/errors.ts';
import { asEmbeddedFailure, embeddedFailure } from './embedded-failure.ts';

const dataDir = tmpdir();

test('recognises a full disk in what PostgreSQL prints and in what the system reports', () => {
  const output = 'FATAL:  could not write lock file "postmaster.pid": No space left on device';
  expect(embeddedFailure('It did not start', { dataDir, output }).code).toBe('disk_full');
  const cause = Object.assign(new Error('write'), { code: 'ENOSPC' });
  expect(asEmbeddedFailure(cause, dataDir).code).toBe('disk_full');
});

test('names the first reason in the log, and the log', () => {
  const output = '2026-01-01 UTC [1] LOG:  starting\n2026-01-01 UTC [1] FATAL:  data folder is odd\n';
  const failure = embeddedFailure('It did not start', { dataDir, output, logFile: '/x/postgres.log' });
  expect(failure.message).toBe('It did not start: data folder is odd. Its log: /x/postgres.log');
});

test('says that the programs cannot be run, and not that the folder is closed, when that is so', () => {
  const cause = Object.assign(new Error('spawn EPERM'), { code: 'EPERM', syscall: 'spawn' });
  expect(asEmbeddedFailure(cause, dataDir).message).toMatch(/cannot be run on this system.*DATABASE_URL/);
  const closed = Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES', syscall: 'mkdir' });
  expect(asEmbeddedFailure(closed, dataDir).message).toMatch(/may not write to the data folder/);
});

test('lets the project’s own errors through', () => {
  const own = new KonstructError('aborted');
  expect(asEmbeddedFailure(own, dataDir)).toBe(own);
});
