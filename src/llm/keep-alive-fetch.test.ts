import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createKeepAliveFetch, wasNeverSent } from './keep-alive-fetch.ts';

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listen(handler: RequestListener): Promise<{ url: string; connections: () => number }> {
  let count = 0;
  const server = createServer(handler);
  server.on('connection', () => {
    count += 1;
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closers.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, connections: () => count };
}

/** Answers every request with these bytes. */
async function listenRaw(answer: string): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer, 'latin1'));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  closers.push(async () => {
    await new Promise((resolve) => {
      server.close(resolve);
    });
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const plain = 'content-type: text/plain\r\ncontent-length: 2\r\n\r\nok';
const events = 'content-type: text/event-stream\r\ncontent-length: 2\r\n\r\nok';

describe('createKeepAliveFetch', () => {
  it.each(['500 \x01odd', '200 \x7f', '520 Unknown', '200 \xe9t\xe9'])(
    'takes an answer that begins with %j',
    async (line) => {
      for (const rest of [plain, events]) {
        const response = await createKeepAliveFetch()(await listenRaw(`HTTP/1.1 ${line}\r\n${rest}`));
        expect(response.status).toBe(Number(line.slice(0, 3)));
        expect(await response.text()).toBe('ok');
      }
    },
  );

  it.each(['999 Denied', '600 More', '042 Less', '000 None'])(
    'rejects at an answer that begins with %j',
    async (line) => {
      for (const rest of [plain, events]) {
        const error = createKeepAliveFetch()(await listenRaw(`HTTP/1.1 ${line}\r\n${rest}`));
        await expect(error).rejects.toMatchObject({ name: 'BadAnswer', status: Number(line.slice(0, 3)) });
      }
    },
  );

  it.each([
    'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    'HTTP/1.1 101 Switching\r\n\r\n',
    'HTTP/1.1 103 Early\r\nlink: </a>\r\n\r\n',
    'HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n',
    'HTTP/1.1 200 OK\r\n\xff\xfe: a\r\n\r\n',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    'HTTP/1.1 2000 OK\r\n\r\n',
    '\x00\x01\x02',
    '',
  ])(
    'rejects when what comes is no answer: %j',
    async (bytes) => {
      await expect(createKeepAliveFetch()(await listenRaw(bytes))).rejects.toThrow();
    },
    2_000,
  );

  it('sends method, headers and body and returns status, headers and body', async () => {
    const { url } = await listen(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.writeHead(418, { 'x-seen': `${request.method} ${request.headers['x-key']}` });
      response.end(Buffer.concat(chunks));
    });
    const fetch = createKeepAliveFetch();
    const response = await fetch(url, { method: 'POST', headers: { 'x-key': 'k' }, body: 'ü🙂' });
    expect(response.status).toBe(418);
    expect(response.ok).toBe(false);
    expect(response.headers.get('x-seen')).toBe('POST k');
    expect(await response.text()).toBe('ü🙂');
  });

  it('keeps the connection for the next call', async () => {
    const { url, connections } = await listen((_request, response) => void response.end('ok'));
    const fetch = createKeepAliveFetch();
    for (let call = 0; call < 3; call += 1) await (await fetch(url)).text();
    expect(connections()).toBe(1);
  });

  it('sends again at once when a kept connection was closed by the server as it was taken', async () => {
    let calls = 0;
    const { url, connections } = await listen((request, response) => {
      calls += 1;
      if (calls === 2) request.socket.resetAndDestroy();
      else response.end(`answer ${calls}`);
    });
    const fetch = createKeepAliveFetch();
    await (await fetch(url)).text();
    expect(await (await fetch(url)).text()).toBe('answer 3');
    expect(connections()).toBe(2);
  });

  it('does not send a call again that was aborted on a kept connection', async () => {
    let calls = 0;
    const arrived = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    const { url, connections } = await listen((_request, response) => {
      calls += 1;
      if (calls === 2) {
        response.on('close', gone.resolve);
        arrived.resolve();
      } else response.end('ok');
    });
    const fetch = createKeepAliveFetch();
    await (await fetch(url)).text();
    const controller = new AbortController();
    const call = fetch(url, { signal: controller.signal });
    await arrived.promise;
    controller.abort();
    await expect(call).rejects.toThrow();
    await gone.promise;
    // A copy would be here before this one, on a connection of its own.
    await (await fetch(url)).text();
    expect({ calls, connections: connections() }).toEqual({ calls: 3, connections: 2 });
  });

  it('does not send a call again for which the server may have worked', async () => {
    let calls = 0;
    let nowMs = 0;
    const { url } = await listen((request, response) => {
      calls += 1;
      if (calls === 2) {
        nowMs += 1_000;
        request.socket.resetAndDestroy();
      } else response.end('ok');
    });
    const fetch = createKeepAliveFetch({ clock: () => nowMs });
    await (await fetch(url)).text();
    const error = await fetch(url).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'ECONNRESET' });
    expect(wasNeverSent(error)).toBe(false);
    expect(calls).toBe(2);
  });

  it('tells of a failure whether the connection stood', async () => {
    const { url } = await listen((request) => void request.socket.resetAndDestroy());
    const fetch = createKeepAliveFetch();
    const failure = (to: string) => fetch(to).catch((reason: unknown) => reason);
    expect(wasNeverSent(await failure(url))).toBe(false);
    expect(wasNeverSent(await failure(url.replace('http:', 'https:')))).toBe(true); // no TLS is spoken there
    expect(wasNeverSent(await failure('http://127.0.0.1:1/'))).toBe(true);
    expect(wasNeverSent(new Error('over', { cause: await failure('http://127.0.0.1:1/') }))).toBe(true);
  });

  it('goes through the proxy that is configured', async () => {
    const { url } = await listen((request, response) => void response.end(`proxied ${request.url}`));
    const fetch = createKeepAliveFetch({ proxyEnv: { HTTP_PROXY: url } });
    const response = await fetch('http://models.example.invalid/v1/models');
    expect(await response.text()).toBe('proxied http://models.example.invalid/v1/models');
  });

  it('does not follow a redirect, so that a key never reaches another host', async () => {
    const { url } = await listen((_request, response) => {
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end();
    });
    expect((await createKeepAliveFetch()(url)).status).toBe(307);
  });

  it('refuses an answer that is too large', async () => {
    const { url } = await listen((_request, response) => void response.end('x'.repeat(2_000)));
    await expect(createKeepAliveFetch({ maxAnswerBytes: 1_000 })(url)).rejects.toThrow(
      'larger than 1000 bytes',
    );
  });

  it('rejects and closes the socket when the signal ends it, before and during the answer', async () => {
    const gone = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const { url } = await listen((_request, response) => {
      response.on('close', gone.resolve);
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => started.resolve());
    });
    const fetch = createKeepAliveFetch();
    await expect(fetch(url, { signal: AbortSignal.abort() })).rejects.toThrow();
    const controller = new AbortController();
    const call = fetch(url, { signal: controller.signal });
    await started.promise;
    controller.abort();
    await expect(call).rejects.toThrow();
    await gone.promise;
  });
});
