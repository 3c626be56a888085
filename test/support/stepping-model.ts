import { tokenOf } from './check-promises.ts';
import { until } from './conversation.ts';
import type { ModelServer } from './model-server.ts';
import { callTools, lastResults } from './tool-calls.ts';

/** A request to the model, by what it is about and by the rounds of tools that it has behind it. */
export interface SteppingCall {
  readonly token: string;
  readonly rounds: number;
  readonly atMs: number;
  /** What the tools of the last round gave. */
  readonly results: readonly string[];
}

/**
 * A model that wants one tool called per word of a message (`q7 look_up book`), one after the other, and then answers with
 * what came of the last one.
 */
export function createSteppingModel(model: ModelServer) {
  const calls: SteppingCall[] = [];
  const held = new Map<string, Promise<void>>();
  model.respond(async (request) => {
    const said = request.messages.findLast(({ role }) => role === 'user')?.content ?? '';
    const token = tokenOf(said);
    const wanted = said.match(/\b(look_up|book)\b/g) ?? [];
    const rounds = request.messages.filter(({ role, toolCalls }) => role === 'assistant' && toolCalls).length;
    const call = { token, rounds, atMs: Date.now(), results: lastResults(request) };
    calls.push(call);
    const key = `${token} ${rounds}`;
    const wait = held.get(key);
    held.delete(key);
    await wait;
    const tool = wanted[rounds];
    return tool === undefined
      ? `Answer to ${token}: ${call.results.join(', ')}`
      : callTools([tool, { text: `${token} ${rounds}` }]);
  });
  return {
    calls,
    /** The first request about the token with so many rounds behind it gets no answer before it is let go. */
    hold(token: string, rounds: number) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(`${token} ${rounds}`, promise);
      return { release: resolve };
    },
    countOf: (token: string, rounds: number) =>
      calls.filter((call) => call.token === token && call.rounds === rounds).length,
    isAsked: (token: string, rounds: number) =>
      until(`the model is asked about ${token} after ${rounds} rounds`, () =>
        calls.some((call) => call.token === token && call.rounds === rounds),
      ),
  };
}
