import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Api } from 'grammy';
import { telegram } from '../src/channels/telegram/index.ts';
import { systemTime } from '../src/system-time.ts';

/** CPU of one `sendMessage` by grammY's client and by ours, in µs, the server being another process. */
async function measureTelegramClient(calls = 2_000): Promise<readonly object[]> {
  const server = fork(import.meta.filename, ['server']);
  const [port] = (await once(server, 'message')) as [number];
  const apiUrl = `http://127.0.0.1:${port}`;
  const text = 'word '.repeat(160);
  const api = new Api('1:token', { apiRoot: apiUrl });
  const nothing = (): void => {};
  const log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
  const channel = telegram.open({ apiUrl, ...systemTime, log });
  const { signal } = new AbortController();
  let posts = 0;
  const ways: Readonly<Record<string, () => Promise<unknown>>> = {
    'grammY’s Api': () => api.sendMessage(1, text),
    'channel.post': () => {
      posts += 1;
      // A bot and a chat of its own each: what is measured is not the pacing.
      const access = { connectionId: `c${posts}`, externalId: '1', credentials: { botToken: '1:token' } };
      const target = { channelId: String(posts), threadId: null };
      return channel.post(access, { target, markdown: text, marker: { deliveryId: 'd' } }, signal);
    },
  };
  const figures: object[] = [];
  for (const [way, post] of Object.entries(ways)) {
    for (let call = 0; call < calls / 2; call += 1) await post();
    const before = process.cpuUsage();
    for (let call = 0; call < calls; call += 1) await post();
    const { user, system } = process.cpuUsage(before);
    figures.push({ way, cpuMicroseconds: Math.round((user + system) / calls) });
  }
  server.kill();
  return figures;
}

function serve(): void {
  const message = { message_id: 1, date: 1, chat: { id: 1, type: 'private' }, text: 'x'.repeat(800) };
  const answer = JSON.stringify({ ok: true, result: message });
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

if (import.meta.main) {
  if (process.argv[2] === 'server') serve();
  else {
    console.table(await measureTelegramClient());
    process.exit(0);
  }
}
