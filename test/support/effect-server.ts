import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One call of a tool of `effect-tools.ts`. */
export interface Effect {
  readonly tool: string;
  readonly text: string;
  readonly idempotencyKey: string;
}

/** The outside world that tools act on: it keeps what was done to it, whoever is told. */
export interface EffectServer {
  readonly url: string;
  readonly effects: readonly Effect[];
  /** The first call with this text is done but not answered before it is let go. */
  hold(text: string): { release(): void };
  close(): Promise<void>;
}

export async function startEffectServer(): Promise<EffectServer> {
  const effects: Effect[] = [];
  const held = new Map<string, Promise<void>>();
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const effect = JSON.parse(body) as Effect;
    effects.push(effect);
    const wait = held.get(effect.text);
    held.delete(effect.text);
    await wait;
    response.end(`${effect.tool} did ${effect.text}`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    effects,
    hold(text) {
      const { promise, resolve } = Promise.withResolvers<void>();
      held.set(text, promise);
      return { release: resolve };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
