import type { FastifyInstance } from 'fastify';
import { KonstructError } from '../core/errors.ts';

/** Begins to listen; returns where. @throws KonstructError `port_in_use` */
export async function listenOn(server: FastifyInstance, host: string, port: number): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') {
      throw new KonstructError('port_in_use', `Port ${port} on ${host} is taken by another program.`, {
        cause,
      });
    }
    throw cause;
  }
}
