import { describe, expect, it } from 'vitest';
import { meterCall } from './meter-call.ts';

const call = {
  isFree: false,
  size: { maxTokens: 900, likelyTokens: 300 },
  receivedBytes: 0,
  silentMs: 4_000,
  marksCache: false,
  maxOutputTokens: 32_000,
};

describe('meterCall', () => {
  it('counts 3,000 tokens a second where nothing was shown, at most what was allowed', () => {
    expect(meterCall({ kind: 'aborted' }, call).usage).toMatchObject({ outputTokens: 12_001 });
    const small = { ...call, maxOutputTokens: 500 };
    expect(meterCall({ kind: 'aborted' }, small).usage).toMatchObject({ outputTokens: 500 });
  });

  it('adds what was seen, a token to a byte, to what a model may have reasoned', () => {
    const shown = { ...call, receivedBytes: 300 };
    expect(meterCall({ kind: 'aborted' }, shown).usage).toMatchObject({ outputTokens: 12_301 });
  });

  it('counts a whole answer without figures in the same way: what it was reasoned about is not to be seen', () => {
    const none = { inputTokens: null, outputTokens: null, cachedInputTokens: null };
    const usage = { ...none, cacheWriteTokens: null, reasoningTokens: null };
    const answer = { text: 'Fine.', finish: 'stop', toolCalls: [], object: null, usage } as const;
    const metered = meterCall({ kind: 'answer', answer }, { ...call, receivedBytes: 5 });
    expect(metered).toMatchObject({ isEstimated: true, usage: { outputTokens: 12_006 } });
  });

  it('counts a prompt that nobody reported as reserved, and as written where a cache was asked for', () => {
    expect(meterCall({ kind: 'aborted' }, call)).toMatchObject({
      usage: { inputTokens: 900, cacheWriteTokens: null },
      isEstimated: true,
    });
    const marked = { ...call, marksCache: true };
    expect(meterCall({ kind: 'aborted' }, marked).usage).toMatchObject({ cacheWriteTokens: 900 });
  });

  it('charges nothing for what was never sent, whatever its code, and all of what may have been', () => {
    const failure = {
      outcome: 'network',
      status: null,
      errorType: 'ETIMEDOUT',
      transient: true,
      retryAfterMs: null,
    } as const;
    const never = { ...failure, neverSent: true };
    expect(meterCall({ kind: 'failure', failure: never, usage: null }, call).usage).toBeNull();
    expect(meterCall({ kind: 'failure', failure, usage: null }, call).usage).not.toBeNull();
  });
});
