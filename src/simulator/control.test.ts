import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fastify from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import { acme, globex, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import type {
  ControlEvent,
  FaultPlan,
  Journey,
  MessagesResponse,
  WorkspacesResponse,
} from './control-api.ts';

const journey: Journey = {
  workspaceId: acme.workspaceId,
  channelId: acme.support,
  messageId: '1.000001',
  threadId: null,
  startedAtMs: 1,
  stages: [{ stage: 'received', atMs: 1, durationMs: null }],
  outcome: 'running',
};

let test: TestSimulator;
let tellJourney: (journey: Journey) => void = () => {};
const messagesPath = `control/workspaces/${acme.workspaceId}/channels/${acme.support}/messages`;

beforeEach(async () => {
  test = await startTestSimulator({
    journeys: {
      list: (workspaceId) => (workspaceId === acme.workspaceId ? [journey] : []),
      subscribe(listener) {
        tellJourney = listener;
        return () => {};
      },
    },
  });
});
afterEach(() => test.stop());

async function call<T>(method: string, address: string, body?: unknown) {
  const response = await fetch(`${test.server.url}/${address}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as T };
}

/** Reads a stream until the predicate holds for one of its events. */
async function readStream(until: (event: ControlEvent) => boolean, lastEventId?: string) {
  const response = await fetch(`${test.server.url}/control/events`, {
    signal: AbortSignal.timeout(3_000),
    ...(lastEventId === undefined ? {} : { headers: { 'last-event-id': lastEventId } }),
  });
  const events: ControlEvent[] = [];
  let lastId = '';
  let buffer = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    buffer += decoder.decode(chunk, { stream: true });
    const frames = buffer.split('\n\n');
    buffer = frames.pop() ?? '';
    for (const frame of frames) {
      lastId = /^id: (.*)$/m.exec(frame)?.[1] ?? lastId;
      const data = /^data: (.*)$/m.exec(frame)?.[1];
      if (data) events.push(JSON.parse(data));
    }
    if (events.some(until)) break;
  }
  return { events, lastId };
}

describe('control API', () => {
  it('lists both companies with agents, people and channels', async () => {
    const { body } = await call<WorkspacesResponse>('GET', 'control/workspaces');
    expect(body.workspaces.map(({ name, agent }) => [name, agent.name])).toEqual([
      ['Acme', 'Ada'],
      ['Globex', 'Max'],
    ]);
    const [first] = body.workspaces;
    expect(first?.users.length).toBeGreaterThanOrEqual(3);
    expect(first?.channels.find(({ id }) => id === acme.random)).toMatchObject({ agentIsMember: false });
  });

  it('posts as a person, reaches the app, edits and deletes', async () => {
    const posted = await call<{ message: { messageId: string } }>('POST', messagesPath, {
      userId: acme.mara,
      text: '@Ada 1 < 2?',
    });
    expect(posted).toMatchObject({
      status: 201,
      body: { message: { text: `<@${acme.agent}> 1 &lt; 2?`, plainText: '@ada 1 < 2?', isAgent: false } },
    });
    await expect.poll(() => test.receiver.received.length).toBe(2);
    const address = `${messagesPath}/${posted.body.message.messageId}`;
    expect((await call('PATCH', address, { text: 'never mind' })).body).toMatchObject({
      message: { text: 'never mind', editedAtMs: expect.any(Number) },
    });
    expect((await call('DELETE', address)).status).toBe(204);
    expect((await call<MessagesResponse>('GET', messagesPath)).body.messages).toEqual([]);
    const { body } = await call<{ deliveries: unknown[] }>('GET', 'control/deliveries');
    expect(body.deliveries.length).toBeGreaterThanOrEqual(2);
  });

  it('lets people of the channel react, once each, and tells the app', async () => {
    const posted = await call<{ message: { messageId: string } }>('POST', messagesPath, {
      userId: acme.mara,
      text: 'hello',
    });
    const address = `${messagesPath}/${posted.body.message.messageId}/reactions`;
    const reaction = { userId: acme.mara, name: 'octagonal_sign', present: true };
    expect((await call('POST', address, reaction)).body).toMatchObject({
      message: { reactions: [{ name: 'octagonal_sign', userIds: [acme.mara] }] },
    });
    await call('POST', address, reaction);
    expect((await call('POST', address, { ...reaction, present: false })).body).toMatchObject({
      message: { reactions: [] },
    });
    const told = () =>
      test.receiver.received
        .map(({ body }) => body.event)
        .filter(({ type }) => String(type).startsWith('reaction'));
    await expect.poll(() => told().length).toBe(2);
    expect(
      told()
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['reaction_added', 'reaction_removed']);
    expect(told()[0]).toMatchObject({
      user: acme.mara,
      reaction: 'octagonal_sign',
      item: { type: 'message', ts: posted.body.message.messageId },
      item_user: acme.mara,
    });
    expect((await call('POST', address, { ...reaction, userId: acme.agent })).status).toBe(400);
    expect((await call('POST', address, { ...reaction, name: ':stop:' })).status).toBe(400);
  });

  it('pages through a channel and shows threads', async () => {
    const write = (text: string, threadId?: string) =>
      call<{ message: { messageId: string } }>('POST', messagesPath, { userId: acme.mara, text, threadId });
    const root = (await write('root')).body.message.messageId;
    await write('reply', root);
    await write('next');
    const newest = (await call<MessagesResponse>('GET', `${messagesPath}?limit=1`)).body;
    expect(newest).toMatchObject({ hasMore: true, messages: [{ text: 'next' }] });
    const before = newest.messages[0]?.messageId;
    const older = (await call<MessagesResponse>('GET', `${messagesPath}?limit=1&before=${before}`)).body;
    expect(older).toMatchObject({
      hasMore: false,
      messages: [{ text: 'root', replyCount: 1, threadId: root }],
    });
    const thread = (await call<MessagesResponse>('GET', `${messagesPath}?threadId=${root}`)).body;
    expect(thread.messages.map(({ text }) => text)).toEqual(['root', 'reply']);
  });

  it('explains what is wrong with a request', async () => {
    expect(await call('GET', 'control/workspaces/TNONE/channels/C/messages')).toMatchObject({
      status: 404,
      body: { error: 'not_found', message: 'There is no workspace TNONE.' },
    });
    expect(await call('POST', messagesPath, { userId: acme.mara, text: ' ' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', message: expect.stringContaining('needs text') },
    });
    expect(await call('POST', messagesPath, { userId: globex.yuki, text: 'x' })).toMatchObject({
      status: 400,
    });
    expect(await call('PUT', 'control/faults', { faults: [{ kind: 'gremlins' }] })).toMatchObject({
      status: 400,
    });
  });

  it('switches faults, and takes back what it gave', async () => {
    const request = { pairGapMs: 5, faults: [{ kind: 'event_duplicate', copies: 1 }] };
    const { body: plan } = await call<FaultPlan>('PUT', 'control/faults', request);
    expect(plan).toMatchObject({ pairGapMs: 5, faults: [{ kind: 'event_duplicate', remaining: null }] });
    expect((await call<FaultPlan>('PUT', 'control/faults', plan)).body.faults).toHaveLength(1);
    expect((await call<FaultPlan>('PUT', 'control/faults', { faults: [] })).body).toMatchObject({
      pairGapMs: 5,
    });
  });

  it('uninstalls the app and installs it again', async () => {
    const address = `control/workspaces/${acme.workspaceId}/installation`;
    await call('POST', address, { state: 'tokens_revoked' });
    await expect.poll(() => test.receiver.received[0]?.body.event.type).toBe('tokens_revoked');
    expect(await call('POST', address, { state: 'installed' })).toMatchObject({
      body: { workspace: { installation: 'installed' } },
    });
  });

  it('streams what happens and resumes where a reader was cut off', async () => {
    const first = readStream((event) => event.type === 'delivery.attempted');
    await expect
      .poll(() => call('POST', messagesPath, { userId: acme.mara, text: 'x' }))
      .toMatchObject({ status: 201 });
    const { events, lastId } = await first;
    expect(events[0]).toMatchObject({ type: 'stream.opened', resumed: false });
    expect(events.map(({ type }) => type)).toContain('message.posted');
    await test.client(acme.token).chat.postMessage({ channel: acme.support, text: 'missed' });
    tellJourney(journey);
    const second = await readStream((event) => event.type === 'journey.changed', lastId);
    expect(second.events[0]).toMatchObject({ type: 'stream.opened', resumed: true });
    expect(second.events).toContainEqual(
      expect.objectContaining({
        type: 'message.posted',
        message: expect.objectContaining({ text: 'missed' }),
      }),
    );
    expect(second.events).toContainEqual(
      expect.objectContaining({
        type: 'api.called',
        call: expect.objectContaining({ method: 'chat.postMessage' }),
      }),
    );
    const third = await readStream((event) => event.type === 'stream.opened', 'another-instance-7');
    expect(third.events[0]).toMatchObject({ resumed: false });
  });

  it('passes journeys through', async () => {
    const address = `control/workspaces/${acme.workspaceId}/channels/${acme.support}/journeys`;
    expect((await call('GET', address)).body).toEqual({ journeys: [journey] });
  });

  it.each([
    ['a foreign host name', { host: 'evil.example' }, 403],
    ['another site’s page', { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }, 403],
    ['another origin', { origin: 'http://127.0.0.1:1' }, 403],
    ['a sandboxed page', { origin: 'null' }, 403],
    ['its own page', { 'sec-fetch-site': 'same-origin' }, 200],
    ['a program', {}, 200],
  ])('answers %s with the right status', async (_who, headers, status) => {
    expect(await statusWithHeaders(`${test.server.url}/control/workspaces`, headers)).toBe(status);
  });
});

describe('page of the simulator', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'simulator-page-'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('says how to build it when it is missing', async () => {
    const answer = await fetch(`${test.server.url}/`, { headers: { accept: 'text/html' } });
    expect(answer.status).toBe(503);
    expect(await answer.text()).toContain('npm run build');
    expect((await call('GET', 'nowhere')).status).toBe(404);
  });

  it('serves it under a prefix with strict headers, and index.html for its own routes', async () => {
    await writeFile(path.join(folder, 'index.html'), '<!doctype html><title>Simulator</title>');
    await writeFile(path.join(folder, 'app.js'), 'export {};');
    await test.stop();
    test = await startTestSimulator({ pageDir: folder });
    const app = fastify();
    await app.register(test.simulator.plugin, { prefix: '/simulator' });
    const get = (url: string) =>
      app.inject({ url, headers: { accept: 'text/html', host: 'localhost:8001' } });
    expect((await get('/simulator')).headers.location).toBe('/simulator/');
    const page = await get('/simulator/');
    expect(page.body).toContain('<title>Simulator</title>');
    expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'");
    expect((await get('/simulator/T0ACME00001/C0ACMESUPPO')).body).toContain('<title>Simulator</title>');
    expect((await get('/simulator/app.js')).headers['content-type']).toContain('javascript');
    expect((await get('/simulator/control/workspaces')).json()).toHaveProperty('workspaces');
    expect((await app.inject({ url: '/simulator/x', headers: { host: 'evil.example' } })).statusCode).toBe(
      403,
    );
    await app.close();
  });
});

/** `fetch` does not let a caller set these headers. */
function statusWithHeaders(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.on('error', reject);
    request.end();
  });
}
