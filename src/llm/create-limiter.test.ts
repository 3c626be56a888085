import { expect, it } from 'vitest';
import { createLimiter } from './create-limiter.ts';

it('does not let a call queue that was aborted before', async () => {
  const limiter = createLimiter(
    () => ({ concurrency: 1 }),
    () => 0,
  );
  const call = { provider: 'openai', tenantId: 'a', tokens: 1, waitMs: 120_000 } as const;
  await limiter.acquire({ ...call, signal: new AbortController().signal });
  expect(await limiter.acquire({ ...call, signal: AbortSignal.abort() })).toBeNull();
  expect(limiter.snapshot()).toEqual([{ provider: 'openai', running: 1, waiting: 0 }]);
});
