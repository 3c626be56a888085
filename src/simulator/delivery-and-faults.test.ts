import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import { acme, globex, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import type { ControlEvent } from './control-api.ts';

let test: TestSimulator;
let seen: ControlEvent[];

beforeEach(async () => {
  test = await startTestSimulator({ ackTimeoutMs: 150 });
  seen = [];
  test.simulator.subscribe((event) => seen.push(event));
});
afterEach(() => test.stop());

const say = (text: string) =>
  test.simulator.say({
    workspaceId: acme.workspaceId,
    channelId: acme.support,
    userId: acme.mara,
    text,
  });
const mention = `<@${acme.agent}> hi`;
const retries = () => test.receiver.received.map(({ headers }) => headers['x-slack-retry-num']);
const reasons = () => test.receiver.received.map(({ headers }) => headers['x-slack-retry-reason']);
const attempts = () =>
  seen.filter((event) => event.type === 'delivery.attempted').map(({ delivery }) => delivery);
const post = () => test.client(acme.token).chat.postMessage({ channel: acme.general, text: 'x' });
const posted = () => test.simulator.messages(acme.workspaceId, acme.general).length;

describe('delivery of events', () => {
  it('retries three times with the same body, a valid signature and the reason', async () => {
    test.receiver.answers.push({ status: 500 }, { cut: true }, { delayMs: 400 }, { status: 503 });
    expect(await (await say('x')).acked).toBe(false);
    expect(retries()).toEqual([undefined, '1', '2', '3']);
    expect(reasons()).toEqual([undefined, 'http_error', 'connection_failed', 'http_timeout']);
    expect(new Set(test.receiver.received.map(({ rawBody }) => rawBody)).size).toBe(1);
    expect(test.receiver.received.every(({ signatureValid }) => signatureValid)).toBe(true);
    expect(attempts().map(({ outcome, status }) => [outcome, status])).toEqual([
      ['http_error', 500],
      ['connection_failed', null],
      ['http_timeout', null],
      ['http_error', 503],
    ]);
    expect(attempts().at(-1)?.nextAttemptAtMs).toBeNull();
  });

  it('stops at the first ack, and at once when the app wants no retry', async () => {
    test.receiver.answers.push({ status: 503 }, { status: 200 });
    expect(await (await say('x')).acked).toBe(true);
    expect(retries()).toEqual([undefined, '1']);
    test.receiver.answers.push({ status: 500, headers: { 'x-slack-no-retry': '1' } });
    expect(await (await say('y')).acked).toBe(false);
    expect(test.receiver.received).toHaveLength(3);
  });

  it('reaches an app that comes back under a new address', async () => {
    await test.stop();
    let url = 'http://127.0.0.1:9/slack/events';
    test = await startTestSimulator({ eventsUrl: () => url });
    const sent = await say('x');
    url = test.receiver.url;
    expect(await sent.acked).toBe(true);
  });
});

describe('faults of events', () => {
  it('sends copies with the same event id', async () => {
    test.simulator.faults.add({ kind: 'event_duplicate', copies: 2, remaining: 1 });
    await (await say('x')).acked;
    await (await say('y')).acked;
    expect(test.receiver.received).toHaveLength(4);
    expect(new Set(test.receiver.received.map(({ body }) => body.event_id)).size).toBe(2);
  });

  it('leaves out one of the pair', async () => {
    test.simulator.faults.add({ kind: 'event_drop', event: 'message' });
    expect(await (await say(mention)).acked).toBe(false);
    expect(test.receiver.received.map(({ body }) => body.event.type)).toEqual(['app_mention']);
  });

  it('delays, and only where it is told to', async () => {
    test.simulator.faults.add({ kind: 'event_delay', delayMs: 60, event: 'app_mention' });
    await (await say(mention)).acked;
    expect(test.receiver.received.map(({ body }) => body.event.type)).toEqual(['message', 'app_mention']);
  });

  it('loses an ack and sends the event again', async () => {
    test.simulator.faults.add({ kind: 'event_ack_lost', remaining: 1 });
    expect(await (await say('x')).acked).toBe(true);
    expect(retries()).toEqual([undefined, '1']);
  });

  it('holds events back during an outage and delivers them afterwards', async () => {
    const outage = test.simulator.faults.add({ kind: 'outage' });
    const sent = await say('x');
    await expect(post()).rejects.toThrow();
    expect(test.receiver.received).toHaveLength(0);
    test.simulator.faults.remove(outage.id);
    expect(await sent.acked).toBe(true);
  });
});

describe('faults of the Web API', () => {
  it('answers 429 with Retry-After for the next calls of one method', async () => {
    test.simulator.faults.add({
      kind: 'api_rate_limited',
      retryAfterSeconds: 7,
      method: 'chat.postMessage',
      remaining: 1,
    });
    await test.client(acme.token).auth.test();
    await expect(post()).rejects.toMatchObject({ retryAfter: 7 });
    expect(posted()).toBe(0);
    await post();
    expect(test.simulator.faults.plan().faults).toEqual([]);
  });

  it('answers 5xx and Slack’s own errors', async () => {
    test.simulator.faults.add({ kind: 'api_http_error', status: 503, remaining: 1 });
    await expect(post()).rejects.toMatchObject({ statusCode: 503 });
    test.simulator.faults.add({ kind: 'api_error', error: 'fatal_error', remaining: 1 });
    await expect(post()).rejects.toMatchObject({ data: { error: 'fatal_error' } });
  });

  it('lets faults that are queued strike one call each, in order', async () => {
    test.simulator.faults.add({ kind: 'api_http_error', status: 502, remaining: 1 });
    test.simulator.faults.add({ kind: 'api_error', error: 'fatal_error', remaining: 1 });
    await expect(post()).rejects.toMatchObject({ statusCode: 502 });
    await expect(post()).rejects.toMatchObject({ data: { error: 'fatal_error' } });
    await post();
  });

  it('cuts the connection before or after the work', async () => {
    test.simulator.faults.add({ kind: 'api_cut_before', remaining: 1 });
    await expect(post()).rejects.toThrow();
    expect(posted()).toBe(0);
    test.simulator.faults.add({ kind: 'api_cut_after', remaining: 1 });
    await expect(post()).rejects.toThrow();
    expect(posted()).toBe(1);
  });

  it('hangs with the work done or not, until the caller gives up', async () => {
    const body = new URLSearchParams({ token: acme.token, channel: acme.general, text: 'x' });
    const call = () =>
      fetch(`${test.server.apiUrl}chat.postMessage`, {
        method: 'POST',
        body,
        signal: AbortSignal.timeout(80),
      });
    test.simulator.faults.add({ kind: 'api_hang', workDone: false, remaining: 1 });
    await expect(call()).rejects.toThrow('timeout');
    expect(posted()).toBe(0);
    test.simulator.faults.add({ kind: 'api_hang', workDone: true, remaining: 1 });
    await expect(call()).rejects.toThrow('timeout');
    expect(posted()).toBe(1);
  });

  it('answers late, and ends by itself at the given time', async () => {
    test.simulator.faults.add({ kind: 'api_delay', delayMs: 100, remaining: 1 });
    const startedAtMs = performance.now();
    await post();
    expect(performance.now() - startedAtMs).toBeGreaterThan(95);
    const untilMs = Date.now() + 50;
    test.simulator.faults.add({ kind: 'api_delay', delayMs: 60_000, untilMs });
    await expect.poll(() => Date.now() > untilMs).toBe(true);
    await post(); // still delayed, it would outlast the test
  });

  it('strikes only the workspace that it is meant for', async () => {
    test.simulator.faults.add({ kind: 'api_error', error: 'fatal_error', workspaceId: globex.workspaceId });
    await post();
    await expect(test.client(globex.token).auth.test()).rejects.toThrow('fatal_error');
  });

  it('enforces Slack’s limit of a message per second and channel when asked', async () => {
    test.simulator.faults.update({ realRateLimits: true });
    await Promise.all([post(), post(), post()]);
    await expect(post()).rejects.toMatchObject({ retryAfter: 1 });
    await test.client(acme.token).chat.postMessage({ channel: acme.support, text: 'another channel' });
  });
});
