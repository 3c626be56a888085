import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import type { MailboxMessage } from '../../core/mailbox.ts';
import { createMailboxHub } from './create-mailbox-hub.ts';
import { streamMailbox } from './stream-mailbox.ts';

const box = { connectionId: 'c', channelId: 'v:mara' };
const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

function message(revision: number, text: string, more: Partial<MailboxMessage> = {}): MailboxMessage {
  return {
    messageId: String(revision),
    from: 'agent',
    markdown: text,
    choices: [],
    authorName: null,
    isProvisional: false,
    isAnswer: false,
    rating: null,
    isRemoved: false,
    revision,
    position: revision,
    sentAtMs: 0,
    ...more,
  };
}

/** A mailbox in memory, streamed over real HTTP to a browser that may read or not. */
async function start(messages: MailboxMessage[], after: number | null = null) {
  const hub = createMailboxHub();
  const ending = new AbortController();
  const reads: (number | null)[] = [];
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    void streamMailbox({
      response,
      box,
      hub,
      read: async (revision, limit) => {
        reads.push(revision);
        return messages.filter((each) => each.revision > (revision ?? 0)).slice(0, limit);
      },
      after,
      signal: ending.signal,
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(
    () => server.close(),
    () => server.closeAllConnections(),
  );
  const { port } = server.address() as AddressInfo;
  const [response] = (await once(get({ host: '127.0.0.1', port }), 'response')) as [IncomingMessage];
  let text = '';
  const listen = () =>
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  const changed = () => hub.announceChange('c v:mara');
  const glimpse = (from: number, piece: string, length = from + piece.length) =>
    hub.announceGlimpse(JSON.stringify({ ...box, glimpse: { messageId: '9', from, text: piece, length } }));
  const data = (name: string) =>
    [...text.matchAll(new RegExp(`^event: ${name}\ndata: (.*)$`, 'gm'))].map(
      ([, json = '']) => JSON.parse(json) as Record<string, unknown>,
    );
  return { hub, ending, reads, response, listen, changed, glimpse, data, text: () => text };
}

it('sends what there is, says that it was all, and then what changes', async () => {
  const messages = [message(3, 'three'), message(5, 'five')];
  const { listen, changed, text, data } = await start(messages);
  listen();
  await sleep(50);
  messages.push(message(6, 'line\nline', { isProvisional: true, choices: ['A'] }));
  changed();
  await sleep(50);
  expect(data('message').map((each) => each.text)).toEqual(['three', 'five', 'line\nline']);
  expect(data('message')[2]).toMatchObject({ provisional: true, choices: ['A'] });
  expect(text().match(/^(id|event): .*/gm)).toEqual([
    ...['id: 3', 'event: message', 'id: 5', 'event: message', 'event: ready', 'id: 6', 'event: message'],
  ]);
});

it('goes on behind what the browser has seen, however much that is', async () => {
  const messages = Array.from({ length: 95 }, (_, index) => message(index + 1, `m${index + 1}`));
  const { listen, data, reads } = await start(messages, 10);
  listen();
  await sleep(80);
  expect(data('message').map((each) => each.text)).toEqual(
    messages.slice(10).map(({ markdown }) => markdown),
  );
  expect(reads).toEqual([10, 30, 50, 70, 90]);
});

it('reads no further than a browser that takes nothing has room for', async () => {
  const messages = Array.from({ length: 2_000 }, (_, index) => message(index + 1, 'x'.repeat(60_000)));
  const { reads, listen, response } = await start(messages, 0);
  response.pause();
  await sleep(300);
  const before = reads.length;
  expect(before).toBeLessThan(10); // what the sockets of both sides hold
  await sleep(200);
  expect(reads.length).toBe(before);
  listen();
  response.resume();
  while (reads.length < before + 10) await sleep(20);
});

it('shows what is new of an answer that is being written, to those who come in the middle all of it', async () => {
  const { listen, glimpse, data, hub, changed } = await start([message(1, 'hello')]);
  listen();
  await sleep(50);
  glimpse(0, 'It');
  glimpse(2, ' is');
  glimpse(0, 'It is', 5); // all of it again, for others
  glimpse(9, 'lost'); // something before it is missing
  glimpse(3, 'was');
  await sleep(50);
  expect(data('glimpse')).toEqual([
    { id: '9', from: 0, text: 'It', length: 2 },
    { id: '9', from: 2, text: ' is', length: 5 },
    { id: '9', from: 3, text: 'was', length: 6 },
  ]);
  expect(hub.glimpsesOf(box).get('9')).toBe('It was');
  changed();
  await sleep(20);
  hub.settle(box, '9');
  expect(hub.glimpsesOf(box).size).toBe(0);
});

it('ends when it is told to, and forgets the mailbox that nobody watches any more', async () => {
  const { listen, ending, response, glimpse, hub } = await start([]);
  listen();
  await sleep(30);
  glimpse(0, 'half an ans');
  const ended = once(response, 'end');
  ending.abort();
  await ended;
  expect(hub.glimpsesOf(box).size).toBe(0);
});
