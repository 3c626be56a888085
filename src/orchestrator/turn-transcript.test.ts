import { describe, expect, it } from 'vitest';
import type { ModelResult, ToolCall } from '../core/model.ts';
import { readTranscript, type ToolRound } from './turn-transcript.ts';

function wants(...calls: readonly Partial<ToolCall>[]): ModelResult {
  return {
    text: '',
    finish: 'tool_calls',
    toolCalls: calls.map((call, index) => ({
      id: `c${index}`,
      name: 'look',
      input: {},
      rawInput: '{}',
      ...call,
    })),
    object: null,
    usage: {
      inputTokens: null,
      outputTokens: null,
      cachedInputTokens: null,
      cacheWriteTokens: null,
      reasoningTokens: null,
    },
    provider: 'demo',
    model: 'm',
    attempts: [],
  };
}

function answer(round: ToolRound, output: string): void {
  for (const call of round.calls) {
    call.result = { callId: call.call.id, name: call.call.name, output, isError: false };
    call.state = 'done';
  }
}

describe('readTranscript', () => {
  it('is after a crash what it was before', () => {
    const before = readTranscript({ steps: 0, loggedSteps: [] });
    const round = before.open({
      ...wants({ input: { text: 'a\0b' }, signature: 'c2lnbmVk' }, { id: 'x\ud800' }),
      text: 'Let me see.',
    });
    answer(round, 'seen');
    const after = readTranscript({
      steps: 3,
      loggedSteps: JSON.parse(
        JSON.stringify([
          {
            position: 0,
            kind: 'model',
            outcome: 'tool_calls',
            detail: { text: round.text, toolCalls: round.calls.map(({ call }) => call) },
            durationMs: 1,
          },
          ...round.calls.map(({ position, result }) => ({
            position,
            kind: 'tool',
            outcome: 'ok',
            detail: { output: result?.output, isError: false },
            durationMs: 1,
          })),
        ]),
      ),
    });
    expect(after.messages()).toEqual(before.messages());
    expect(after.messages()[0]).toMatchObject({
      toolCalls: [{ input: { text: 'ab' }, signature: 'c2lnbmVk' }, { id: 'x\ufffd' }],
    });
    expect([after.nextPosition(), before.nextPosition()]).toEqual([3, 3]);
    expect(after.openRound()).toBeNull();
  });

  it('keeps neither names that providers refuse nor arguments that are too long', () => {
    const transcript = readTranscript({ steps: 0, loggedSteps: [] });
    const long = { text: 'x'.repeat(200_000) };
    const { calls } = transcript.open(
      wants({ name: 'a b!' }, { name: '' }, { input: long, rawInput: JSON.stringify(long) }),
    );
    expect(calls.map(({ call }) => call.name)).toEqual(['a_b_', 'unnamed', 'look']);
    expect(calls[2]?.call.input).toBeNull();
    expect(calls[2]?.call.rawInput.length).toBeLessThan(1_000);
  });

  it('shortens old results when all of them together are too much, and leaves the newest whole', () => {
    const transcript = readTranscript({ steps: 0, loggedSteps: [] });
    for (let round = 0; round < 12; round += 1) answer(transcript.open(wants({})), `${round}`.repeat(30_000));
    const outputs = transcript
      .messages()
      .flatMap((message) => (message.role === 'tool' ? message.results.map(({ output }) => output) : []));
    expect(outputs.at(-1)).toBe('11'.repeat(30_000));
    expect(outputs[0]).toMatch(/^0{1000}\n\n\[Shortened/);
    expect(outputs.join('').length).toBeLessThan(260_000);
    expect(transcript.messages()).toHaveLength(24);
  });
});
