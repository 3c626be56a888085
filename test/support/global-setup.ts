import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedDatabase } from '../../src/db/embedded/start-embedded-database.ts';
import { removeAbandoned } from './remove-abandoned.ts';
import { scratchParent } from './scratch-parents.ts';
import { silentLog } from './silent-log.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** A superuser's URL of the server that all tests share. Take databases from `createEmptyDatabase`. */
    readonly postgresAdminUrl: string;
  }
}

/** Nobody needs this server's data after the run, and its log of writes must not fill the memory. */
const settings = {
  fsync: 'off',
  full_page_writes: 'off',
  max_wal_size: '256MB',
  // A process of Konstruct's opens up to 20, and each test file that runs at the moment may have several.
  max_connections: '400',
};

/** Starts one PostgreSQL for the whole run, and removes it with its data at the end. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned();
  const dataDir = mkdtempSync(join(scratchParent(), 'konstruct-test-'));
  // Hundreds of processes load the same modules, workers and what tests start: half of their start was compiling them.
  process.env.NODE_COMPILE_CACHE ??= join(dataDir, 'compiled');
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog, settings });
  project.provide('postgresAdminUrl', database.url);
  return async () => {
    await database.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}
