import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { WebClient } from '@slack/web-api';
import { createKeptAliveHttp } from '../src/channels/kept-alive-http.ts';
import { createSlackClient } from '../src/channels/slack/client.ts';
import { createSlackChannel } from '../src/channels/slack/index.ts';

export interface SlackClientFigure {
  readonly way: string;
  readonly concurrency: number;
  readonly cpuMicroseconds: number;
  readonly wallMicroseconds: number;
}

/** CPU of one `chat.postMessage` by several ways, in µs, the server being another process. */
export async function measureSlackClient(calls = 2000): Promise<readonly SlackClientFigure[]> {
  const server = fork(import.meta.filename, ['server']);
  const [port] = (await once(server, 'message')) as [number];
  const figures: SlackClientFigure[] = [];
  try {
    const ways = waysToPost(`http://127.0.0.1:${port}/api/`);
    for (const concurrency of [1, 8]) {
      for (const [way, post] of Object.entries(ways)) {
        await repeat(post, calls / 2, concurrency);
        const startedAt = performance.now();
        const before = process.cpuUsage();
        await repeat(post, calls, concurrency);
        const { user, system } = process.cpuUsage(before);
        const wallMicroseconds = Math.round(((performance.now() - startedAt) * 1000) / calls);
        figures.push({
          way,
          concurrency,
          cpuMicroseconds: Math.round((user + system) / calls),
          wallMicroseconds,
        });
      }
    }
  } finally {
    server.kill();
  }
  return figures;
}

function waysToPost(apiUrl: string): Readonly<Record<string, () => Promise<unknown>>> {
  const url = `${apiUrl}chat.postMessage`;
  const markdown = 'word '.repeat(160);
  const metadata = { event_type: 'konstruct_delivery', event_payload: { delivery_id: 'd' } };
  const fields = { channel: 'C1', thread_ts: '1712345678.000001', markdown_text: markdown };
  const body = new URLSearchParams({ ...fields, metadata: JSON.stringify(metadata) }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded', authorization: 'Bearer xoxb-1' };
  const call = { ...fields, metadata, token: 'xoxb-1' };
  const http = createKeptAliveHttp();
  const standard = new WebClient(undefined, { slackApiUrl: apiUrl, timeout: 10_000 });
  const nothing = (): void => {};
  const options = {
    apiUrl,
    clock: Date.now,
    random: Math.random,
    sleep: (ms: number, signal?: AbortSignal) => delay(ms, undefined, { signal }),
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    timeoutMs: 10_000,
    maxWaitMs: 10_000,
  };
  const channel = createSlackChannel(options);
  const client = createSlackClient(options);
  const access = { connectionId: 'c', externalId: 'T1', credentials: { botToken: 'xoxb-1' } };
  const { signal } = new AbortController();
  let posts = 0;
  return {
    'built-in fetch': async () => {
      const init = { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) };
      return (await fetch(url, init)).json();
    },
    'kept-alive HTTP': async () => {
      const init = { base: url, method: 'POST', headers, body, timeoutMs: 10_000 };
      return JSON.parse((await http.exchange(init)).text) as unknown;
    },
    'Slack’s WebClient, built-in fetch': () => standard.apiCall('chat.postMessage', call),
    'our client': () => {
      posts += 1;
      const values = { ...fields, channel: `C${posts}`, metadata };
      return client.call(
        access,
        { method: 'chat.postMessage', arguments: values, idempotent: false },
        signal,
      );
    },
    'channel.post': () => {
      posts += 1;
      const target = { channelId: `C${posts}`, threadId: fields.thread_ts };
      return channel.post(access, { target, markdown, marker: { deliveryId: 'd' } }, signal);
    },
  };
}

async function repeat(work: () => Promise<unknown>, times: number, concurrency: number): Promise<void> {
  let left = times;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

/** Answers every call as Slack answers a post, about 1 kB. */
function serve(): void {
  const element = { type: 'rich_text_section', elements: [{ type: 'text', text: 'y'.repeat(400) }] };
  const message = { text: 'x'.repeat(400), blocks: [{ type: 'rich_text', elements: [element] }] };
  const answer = JSON.stringify({ ok: true, channel: 'C1', ts: '1712345678.000001', message });
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
      response.end(answer);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

if (import.meta.main) {
  if (process.argv[2] === 'server') {
    serve();
  } else {
    console.table(await measureSlackClient());
    process.exit(0);
  }
}
