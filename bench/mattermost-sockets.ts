/**
 * What a connection to a Mattermost server costs while it is listened to, in memory of the process: `node
 * --expose-gc bench/mattermost-sockets.ts`. The stand-in runs in a thread of its own, whose memory does not count.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { mattermost } from '../src/channels/mattermost/index.ts';
import { systemTime } from '../src/system-time.ts';
import { startMattermostServer } from '../test/support/mattermost/start-mattermost-server.ts';

const CONNECTIONS = 200;
const tokenOf = (index: number): string => `bottoken0standin${String(index).padStart(10, '0')}`;

async function serve(): Promise<void> {
  const server = await startMattermostServer();
  for (let index = 0; index < CONNECTIONS; index += 1) {
    const bot = server.addUser({ username: `bot${index}`, is_bot: true, token: tokenOf(index) });
    server.addChannel('O', [bot], server.addTeam(`team${index}`, [bot]));
  }
  parentPort?.postMessage(server.url);
}

async function measure(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  const [serverUrl] = (await once(worker, 'message')) as [string];
  let following = 0;
  const count = (event: string): void => {
    if (event === 'mattermost.following') following += 1;
  };
  const log = { debug() {}, info: count, warn() {}, error() {} };
  const channel = mattermost.open({ apiUrl: '', ...systemTime, log });
  await channel.prepare();
  const heldKb = (): number => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1024;
  };
  const before = heldKb();
  const ending = new AbortController();
  const followed = Array.from({ length: CONNECTIONS }, (_, index) =>
    channel.subscription?.byPolling(
      { connectionId: `c${index}`, externalId: '', credentials: { serverUrl, botToken: tokenOf(index) } },
      async () => {},
      ending.signal,
    ),
  );
  while (following < CONNECTIONS) await systemTime.sleep(50);
  await systemTime.sleep(500);
  console.table({ connections: CONNECTIONS, kbPerConnection: Math.round((heldKb() - before) / CONNECTIONS) });
  ending.abort();
  await Promise.all(followed);
  channel.close();
  await worker.terminate();
}

await (isMainThread ? measure() : serve());
