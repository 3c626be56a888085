import type { FastifyInstance } from 'fastify';

/** How long requests under way may take once the process stops; a platform waits 3 s for its ack. */
const HTTP_DEADLINE_MS = 3_000;
const IDLE_CHECK_MS = 25;

/**
 * Stops listening, lets the requests under way end and closes each connection as soon as it is idle: a kept-alive one
 * that was busy when closing began would hold it up until its keep-alive timeout. Harmless the second time.
 */
export async function closeHttpServer(server: FastifyInstance): Promise<void> {
  const idle = setInterval(() => server.server.closeIdleConnections(), IDLE_CHECK_MS);
  const deadline = setTimeout(() => server.server.closeAllConnections(), HTTP_DEADLINE_MS);
  try {
    await server.close();
  } finally {
    clearInterval(idle);
    clearTimeout(deadline);
  }
}
