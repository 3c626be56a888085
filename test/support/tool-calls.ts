import type { MessageOnTheWire } from './model-protocols.ts';

/** A model's answer that wants tools called, each with an id of its own. */
export function callTools(...calls: readonly (readonly [name: string, input: WireInput])[]) {
  return {
    text: '',
    toolCalls: calls.map(([name, input], index) => ({
      id: `call_${index}_${crypto.randomUUID()}`,
      name,
      input,
    })),
  };
}

type WireInput = Readonly<Record<string, unknown>> | string;

/** What the tools of the last round gave, as the model reads it, in order. */
export function lastResults({ messages }: { readonly messages: readonly MessageOnTheWire[] }): string[] {
  const results: string[] = [];
  for (const { role, content } of messages.toReversed()) {
    if (role !== 'tool') break;
    results.unshift(content);
  }
  return results;
}
