import type { AddressInfo } from 'node:net';
import fastify from 'fastify';
import type { Simulator } from './simulator.ts';

export interface SimulatorServer {
  readonly url: string;
  /** For the app's `SLACK_API_URL`; ends in `/api/`. */
  readonly apiUrl: string;
  /** Ends the server and every connection to it; the simulator itself goes on. */
  close(): Promise<void>;
}

/** Serves a simulator by itself on a loopback port (0: any free one), for tests and the demo. */
export async function startSimulatorServer(
  simulator: Simulator,
  options: { readonly port: number },
): Promise<SimulatorServer> {
  const app = fastify({ forceCloseConnections: true });
  await app.register(simulator.plugin);
  await app.listen({ host: '127.0.0.1', port: options.port });
  const { port } = app.server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  return { url, apiUrl: `${url}/api/`, close: () => app.close() };
}
