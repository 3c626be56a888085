import { setTimeout as wait } from 'node:timers/promises';
import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { expect, it } from 'vitest';
import { startCall } from './call-model.ts';

const noUsage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
};

/** A call to a model that streams these parts and then says nothing more. */
function callOf(
  parts: readonly LanguageModelV4StreamPart[],
  { stream = ReadableStream.from([...parts]), idleMs = 60_000, clock = (): number => 0 } = {},
) {
  return startCall({
    model: {
      doGenerate: () => Promise.reject(new Error('not asked for')),
      doStream: async () => ({ stream }),
    },
    settings: { prompt: [] },
    output: undefined,
    maxOutputTokens: 100,
    streamed: true,
    deadlines: { callMs: 60_000, firstTokenMs: 60_000, idleMs },
    clock,
  });
}

it('counts the input of a tool call once, whether it came in pieces or whole', async () => {
  const whole = { type: 'tool-call', toolCallId: 'c', toolName: 't', input: '{"a":1}' } as const;
  const piece = { type: 'tool-input-delta', id: 'c', delta: '{"a"' } as const;
  for (const parts of [[whole], [piece, whole]]) {
    const call = callOf(parts);
    await call.next();
    expect(call.progress().receivedBytes).toBe(7);
  }
});

it('allows twice the silence while a tool’s input is written, which some send when it is complete', async () => {
  const gapMs = 1_300;
  async function* parts(first: LanguageModelV4StreamPart): AsyncGenerator<LanguageModelV4StreamPart> {
    yield first;
    await wait(gapMs);
    yield { type: 'tool-call', toolCallId: 'c', toolName: 't', input: '{}' };
    yield {
      type: 'finish',
      finishReason: { unified: 'tool-calls', raw: 'tool_use' },
      usage: noUsage,
    };
  }
  const endOf = async (first: LanguageModelV4StreamPart) => {
    const call = callOf([], { stream: ReadableStream.from(parts(first)), idleMs: 1_000 });
    let piece = await call.next();
    while (piece.kind === 'text') piece = await call.next();
    return piece;
  };
  const [inTool, inText] = await Promise.all([
    endOf({ type: 'tool-input-start', id: 'c', toolName: 't' }),
    endOf({ type: 'text-delta', id: 't', delta: 'One moment.' }),
  ]);
  expect(inTool).toMatchObject({ kind: 'answer', answer: { finish: 'tool_calls' } });
  expect(inText).toMatchObject({ kind: 'failure', failure: { errorType: 'idle_timeout' } });
});

it('adds up for how long nothing was shown: before the first sign, in pauses and after the last', async () => {
  let nowMs = 0;
  async function* parts(): AsyncGenerator<LanguageModelV4StreamPart> {
    nowMs += 2_000;
    yield { type: 'text-delta', id: 't', delta: 'One moment.' };
    nowMs += 300; // it writes
    yield { type: 'tool-input-start', id: 'c', toolName: 't' };
    nowMs += 8_000; // it writes what comes as a whole
    yield { type: 'tool-input-delta', id: 'c', delta: '{}' };
    nowMs += 500;
    throw new Error('cut');
  }
  const call = callOf([], { stream: ReadableStream.from(parts()), clock: () => nowMs });
  let piece = await call.next();
  while (piece.kind === 'text') piece = await call.next();
  expect(call.progress().silentMs).toBe(10_500);
});
