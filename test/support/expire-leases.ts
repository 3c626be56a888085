import type { ServeProcess } from './start-serve-process.ts';

/**
 * The leases of a worker that was killed run out now. Left alone they do within 15 seconds, which
 * test/pipeline/crash-matrix.test.ts waits for. Not for a worker that lives, be it paused: it knows by its own clock until
 * when it has its lease, and would go on.
 */
export async function expireLeases(
  { query }: { query(text: string, values: readonly unknown[]): Promise<unknown> },
  { child }: ServeProcess,
): Promise<void> {
  await query(
    'update konstruct.conversations set ready_at = now() where ready_at is not null and lease_owner like $1',
    [`%-${child.pid}-%`],
  );
}
