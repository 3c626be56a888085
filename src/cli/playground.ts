import type { FastifyPluginAsync } from 'fastify';

/** A web chat that the portal's playground offers. */
export interface PlaygroundChat {
  /** Name of the connection, for the script tag. */
  readonly site: string;
  readonly agent: string;
  readonly company: string;
}

export interface PlaygroundChats {
  readonly chats: readonly PlaygroundChat[];
}

/** `GET /simulator/playground/chats`: whom the playground lets talk to, for `konstruct dev` only. */
export const playground =
  (chats: readonly PlaygroundChat[]): FastifyPluginAsync =>
  async (app) => {
    app.get('/simulator/playground/chats', async (_request, reply) =>
      reply.header('cache-control', 'no-store').send({ chats } satisfies PlaygroundChats),
    );
  };
