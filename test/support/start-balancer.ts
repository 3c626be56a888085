import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';

export interface Balancer {
  readonly url: string;
  /** Requests that were not answered with 200 at their first and only attempt. */
  readonly failures: readonly string[];
  /** Asks the backends now. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

const PROBE_MS = 100;

/**
 * What a load balancer does: it asks each backend's `/readyz`, sends requests over kept-alive connections to those that
 * are ready, in turns, and repeats none.
 */
export async function startBalancer(backends: () => readonly string[]): Promise<Balancer> {
  const agent = new Agent({ keepAlive: true });
  const failures: string[] = [];
  let ready: readonly string[] = [];
  let turn = 0;
  const probe = async (): Promise<void> => {
    const asked = await Promise.all(
      backends().map(async (url) => {
        const isReady = await fetch(`${url}/readyz`).then(
          async (answer) => {
            await answer.arrayBuffer();
            return answer.ok;
          },
          () => false,
        );
        return isReady ? [url] : [];
      }),
    );
    ready = asked.flat();
  };
  await probe();
  const timer = setInterval(() => void probe(), PROBE_MS);

  const server = createServer((incoming, outgoing) => {
    turn += 1;
    const backend = ready[turn % ready.length];
    const fail = (reason: string): void => {
      failures.push(`${backend}: ${reason}`);
      if (!outgoing.headersSent) outgoing.writeHead(502);
      outgoing.end();
    };
    if (backend === undefined) {
      fail('none is ready');
      return;
    }
    const passed = request(`${backend}${incoming.url}`, {
      method: incoming.method,
      headers: incoming.headers,
      agent,
    });
    passed.on('error', (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
    passed.on('response', (answer) => {
      if (answer.statusCode !== 200) failures.push(`${backend}: ${answer.statusCode}`);
      outgoing.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? '' });
      answer.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    failures,
    ready: probe,
    async close() {
      clearInterval(timer);
      agent.destroy();
      server.closeAllConnections();
      server.close();
    },
  };
}
