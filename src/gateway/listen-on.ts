import type { FastifyInstance } from 'fastify';
import { KonstructError } from '../core/errors.ts';

/** Begins to listen; returns where. @throws KonstructError `port_in_use`, `address_unusable` */
export async function listenOn(
  server: Pick<FastifyInstance, 'listen'>,
  host: string,
  port: number,
): Promise<string> {
  try {
    return await server.listen({ host, port });
  } catch (cause) {
    const { code = 'unknown' } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new KonstructError('port_in_use', `Port ${port} on ${host} is taken by another program.`, {
        cause,
      });
    }
    throw new KonstructError('address_unusable', describe(code, host, port), { cause, details: { code } });
  }
}

function describe(code: string, host: string, port: number): string {
  switch (code) {
    case 'EACCES':
      return `This user may not listen on port ${port}.`;
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The name ${host} cannot be resolved.`;
    default:
      return `This machine cannot listen on ${host} (${code}).`;
  }
}
