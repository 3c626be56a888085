/**
 * Options of Node for a small process, as `deploy/Dockerfile` starts `konstruct serve`. A turn leaves garbage of some
 * 100 kB; left alone, V8 lets its nursery grow to three times 16 MB and the heap to several times what lives before it
 * looks. At full load 150 instead of 250 MB, for about a sixth more CPU of the Node process (docs/performance.md).
 */
export const memoryOptions: readonly string[] = ['--max-semi-space-size=6', '--heap-growing-percent=20'];

/**
 * For the same reason: glibc otherwise gives each thread (V8's compilers and collectors) memory of its own, and what is free in
 * one is of no use to another.
 */
export const memoryEnvironment: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' };
