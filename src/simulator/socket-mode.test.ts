import { once } from 'node:events';
import { LogLevel, SocketModeClient } from '@slack/socket-mode';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestSimulator, type TestSimulator } from '../../test/support/simulator/start-test-simulator.ts';

const appToken = 'xapp-1-simulator';
const never = new AbortController().signal;
let test: TestSimulator;
beforeAll(async () => {
  test = await startTestSimulator({ appToken });
});
afterAll(() => test.stop());

async function openUrl(token = appToken): Promise<string> {
  const answer = await test.client(token).apiCall('apps.connections.open');
  return String((answer as unknown as { readonly url: string }).url);
}

async function connect(): Promise<{ socket: WebSocket; hello: Record<string, unknown> }> {
  const socket = new WebSocket(await openUrl());
  const [data] = await once(socket, 'message');
  return { socket, hello: JSON.parse(String(data)) };
}

it('greets who comes with a ticket, and takes each ticket once', async () => {
  const url = await openUrl();
  const socket = new WebSocket(url);
  const [data] = await once(socket, 'message');
  expect(JSON.parse(String(data))).toMatchObject({ type: 'hello', num_connections: 1 });
  await expect(once(new WebSocket(url), 'open')).rejects.toThrow(/404/);
  socket.terminate();
});

it('gives tickets for app-level tokens in the header only', async () => {
  await expect(openUrl('xoxb-simulator-acme')).rejects.toMatchObject({
    data: { error: 'not_allowed_token_type' },
  });
  await expect(openUrl('xapp-1-other')).rejects.toMatchObject({ data: { error: 'invalid_auth' } });
  const response = await fetch(`${test.server.apiUrl}apps.connections.open`, {
    method: 'POST',
    body: new URLSearchParams({ token: appToken }),
  });
  expect(await response.json()).toEqual({ ok: false, error: 'not_authed' });
});

it('throws out who acks what was not sent to it', async () => {
  const { socket } = await connect();
  socket.send(JSON.stringify({ envelope_id: 'made-up' }));
  const [code] = await once(socket, 'close');
  expect(code).toBe(1008);
  expect(test.simulator.sockets.violations).toHaveLength(1);
});

it('sends an envelope to one socket, in turn, and waits for its ack', async () => {
  const clients = [await connect(), await connect()];
  const heard = [0, 0];
  for (const [index, { socket }] of clients.entries()) {
    socket.on('message', (data) => {
      heard[index] = (heard[index] ?? 0) + 1;
      socket.send(JSON.stringify({ envelope_id: JSON.parse(String(data)).envelope_id }));
    });
  }
  const envelope = { type: 'events_api', payload: {}, retry: null } as const;
  for (let count = 0; count < 4; count += 1) {
    expect(await test.simulator.sockets.deliver(appToken, envelope, 3_000, never)).toBe('ok');
  }
  expect(heard).toEqual([2, 2]);
  for (const { socket } of clients) socket.terminate();
});

it('serves Slack’s own client, which acks what it was sent and comes back when its socket is exchanged', async () => {
  const clientOptions = { slackApiUrl: test.server.apiUrl };
  // It waits as long before it comes back as for a pong: 5 s unless told otherwise.
  const patience = { clientPingTimeout: 500, logLevel: LogLevel.ERROR };
  const client = new SocketModeClient({ appToken, clientOptions, ...patience });
  const heard: unknown[] = [];
  client.on('app_mention', async ({ ack, event }) => {
    heard.push(event);
    await ack();
  });
  client.on('slash_commands', ({ ack }) => ack({ text: 'heard' }));
  await client.start();
  const { sockets } = test.simulator;
  const violations = sockets.violations.length;
  const event = { type: 'app_mention', text: 'hello' };
  const mention = { type: 'events_api', payload: { type: 'event_callback', event }, retry: null } as const;
  expect(await sockets.deliver(appToken, mention, 3_000, never)).toBe('ok');
  expect(heard).toEqual([event]);
  const reconnected = new Promise((resolve) => client.once('connected', resolve));
  await sockets.disconnect(appToken, 'refresh_requested');
  await reconnected;
  const command = { type: 'slash_commands', payload: { command: '/ask' }, retry: null } as const;
  expect(await sockets.deliver(appToken, command, 3_000, never)).toBe('ok');
  expect(sockets.violations).toHaveLength(violations);
  await client.disconnect();
});

it('allows an app ten sockets', async () => {
  const clients = await Promise.all(Array.from({ length: 10 }, connect));
  const { socket, hello } = await connect();
  expect(hello).toMatchObject({ type: 'disconnect', reason: 'too_many_websockets' });
  for (const each of [socket, ...clients.map((client) => client.socket)]) each.terminate();
});
