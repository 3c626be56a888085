import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createKeptAliveHttp } from './kept-alive-http.ts';

const http = createKeptAliveHttp();
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  http.close();
  for (const close of closers.splice(0)) await close();
});

/** Asks a server that answers with these bytes. */
async function exchangeWith(answer: string, maxBytes?: number) {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer, 'latin1'));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closers.push(() => new Promise((resolve) => void server.close(() => resolve())));
  return http.exchange({
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    method: 'GET',
    headers: {},
    body: '',
    timeoutMs: 60_000,
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
}

describe('createKeptAliveHttp', () => {
  it.each(['500 \x01odd', '999 Denied', '042 Less', '200 \xe9t\xe9'])(
    'hands on an answer that begins with %j as it is',
    async (line) => {
      for (const maxBytes of [undefined, 100]) {
        const answer = await exchangeWith(`HTTP/1.1 ${line}\r\ncontent-length: 2\r\n\r\nok`, maxBytes);
        expect(answer.status).toBe(Number(line.slice(0, 3)));
        expect(maxBytes === undefined ? answer.text : Buffer.from(answer.bytes).toString()).toBe('ok');
      }
    },
  );

  it.each([
    'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    'HTTP/1.1 103 Early\r\n\r\n',
    'HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n',
    'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ncut',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    '\x00\x01\x02',
    '',
  ])(
    'rejects at once when what comes is no answer: %j',
    async (bytes) => {
      for (const maxBytes of [undefined, 100]) {
        await expect(exchangeWith(bytes, maxBytes)).rejects.toMatchObject({ kind: 'interrupted' });
      }
    },
    5_000,
  );
});
