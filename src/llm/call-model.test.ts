import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { expect, it } from 'vitest';
import { startCall } from './call-model.ts';

/** A call to a model that streams these parts and then says nothing more. */
function callOf(parts: readonly LanguageModelV4StreamPart[]) {
  return startCall({
    model: {
      doGenerate: () => Promise.reject(new Error('not asked for')),
      doStream: async () => ({ stream: ReadableStream.from([...parts]) }),
    },
    settings: { prompt: [] },
    output: undefined,
    maxOutputTokens: 100,
    streamed: true,
    deadlines: { callMs: 60_000, firstTokenMs: 60_000, idleMs: 60_000 },
    clock: () => 0,
  });
}

it('counts the input of a tool call once, whether it came in pieces or whole', async () => {
  const whole = { type: 'tool-call', toolCallId: 'c', toolName: 't', input: '{"a":1}' } as const;
  const piece = { type: 'tool-input-delta', id: 'c', delta: '{"a"' } as const;
  for (const parts of [[whole], [piece, whole]]) {
    const call = callOf(parts);
    await call.next();
    expect(call.receivedBytes).toBe(7);
  }
});
