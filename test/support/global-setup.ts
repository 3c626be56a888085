import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** A superuser's URL of the server that all tests share. Take databases from `createEmptyDatabase`. */
    readonly postgresAdminUrl: string;
  }
}

/** Names the server that all tests share. Replaced by the embedded PostgreSQL cluster. */
export function setup(project: TestProject): void {
  project.provide('postgresAdminUrl', 'postgres://konstruct@127.0.0.1:55432/postgres');
}
