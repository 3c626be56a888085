import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../../test/support/conversation.ts';
import { recordingLog } from '../../../../test/support/recording-log.ts';
import {
  startTestSimulator,
  type TestSimulator,
} from '../../../../test/support/simulator/start-test-simulator.ts';
import type { ChannelRequest } from '../../../core/channel.ts';
import type { EventSockets } from '../../../core/event-sockets.ts';
import { systemTime } from '../../../system-time.ts';
import { keepSlackSockets, type SocketModeTiming } from './keep-slack-sockets.ts';

const appToken = 'xapp-1-test';
const never = new AbortController().signal;
const event = { type: 'events_api', payload: { type: 'event_callback' }, retry: null } as const;

let test: TestSimulator;
let kept: EventSockets;
let log: ReturnType<typeof recordingLog>;

afterEach(async () => {
  await kept.close(0);
  await test.stop();
});

async function start(
  receive: (request: ChannelRequest) => Promise<void>,
  { token = appToken, ...timing }: Partial<SocketModeTiming> & { token?: string } = {},
): Promise<void> {
  test = await startTestSimulator({ appToken });
  open(receive, { token, ...timing });
}

function open(
  receive: (request: ChannelRequest) => Promise<void>,
  { token = appToken, ...timing }: Partial<SocketModeTiming> & { token?: string },
): void {
  log = recordingLog();
  kept = keepSlackSockets({
    apiUrl: test.server.apiUrl,
    token,
    connectionId: null,
    receive,
    ...systemTime,
    log,
    timing: { firstRetryMs: 20, longestRetryMs: 100, ...timing },
  });
}

const ready = (count: number) =>
  until(`${count} sockets`, () => test.simulator.sockets.count(appToken) === count && kept.ready() === count);
const logged = (name: string) => log.lines.filter((line) => line.event === name);

describe('an envelope', () => {
  it('is acked when its request is durable, and not before', async () => {
    const durable = Promise.withResolvers<void>();
    const taken: ChannelRequest[] = [];
    await start((request) => {
      taken.push(request);
      return durable.promise;
    });
    await ready(2);
    const outcome = test.simulator.sockets.deliver(appToken, event, 5_000, never);
    await until('it is taken', () => taken.length === 1);
    expect(test.simulator.sockets.acks).toEqual([]);
    durable.resolve();
    expect(await outcome).toBe('ok');
  });

  it('is not acked when it could not be stored; the socket goes on', async () => {
    let fails = true;
    await start(async () => {
      if (fails) throw new Error('the database is away');
    });
    await ready(2);
    expect(await test.simulator.sockets.deliver(appToken, event, 200, never)).toBe('http_timeout');
    fails = false;
    expect(await test.simulator.sockets.deliver(appToken, event, 5_000, never)).toBe('ok');
    expect(await test.simulator.sockets.deliver(appToken, event, 5_000, never)).toBe('ok');
    expect(logged('slack.envelope_unacked')).toHaveLength(1);
  });

  it('that is under way at the end is finished and acked; what comes later is left to others', async () => {
    const durable = Promise.withResolvers<void>();
    let taken = 0;
    await start(() => {
      taken += 1;
      return durable.promise;
    });
    await ready(2);
    const first = test.simulator.sockets.deliver(appToken, event, 5_000, never);
    await until('it is taken', () => taken === 1);
    const closed = kept.close(5_000);
    // One of the two has nothing to wait for and goes; the busy one stays and takes nothing more.
    await until('the idle one is gone', () => test.simulator.sockets.count(appToken) === 1);
    expect(await test.simulator.sockets.deliver(appToken, event, 100, never)).toBe('http_timeout');
    durable.resolve();
    expect(await first).toBe('ok');
    await closed;
    expect(taken).toBe(1);
    expect(test.simulator.sockets.count(appToken)).toBe(0);
  });
});

describe('a socket', () => {
  it('on which nothing is heard any more is given up and replaced', async () => {
    await start(async () => {}, { pingEveryMs: 50, silenceMs: 300 });
    await ready(2);
    test.simulator.sockets.freeze(appToken);
    await until('new ones are there', () => logged('slack.socket_ready').length === 4);
    expect(logged('slack.socket_silent')).toHaveLength(2);
    test.simulator.sockets.cut(appToken); // the frozen ones do not know yet
    await ready(2);
  });

  it('stays while it is quiet but alive', async () => {
    await start(async () => {}, { pingEveryMs: 50, silenceMs: 300 });
    await ready(2);
    await new Promise((resolve) => setTimeout(resolve, 900));
    expect(logged('slack.socket_ready')).toHaveLength(2);
  });

  it.each([
    ['at once when it has lived', 0, 0],
    ['after a wait when it has not', 60_000, 2],
  ])('that Slack exchanges is replaced %s', async (_name, stableMs, waits) => {
    await start(async () => {}, { stableMs });
    await ready(2);
    await test.simulator.sockets.disconnect(appToken, 'refresh_requested');
    await until('both are replaced', () => logged('slack.socket_ready').length === 4);
    expect(logged('slack.socket_lost')).toHaveLength(waits);
    await ready(2);
  });

  it('is tried again, with growing waits, while Slack is out of order', async () => {
    test = await startTestSimulator({ appToken });
    test.simulator.faults.add({ kind: 'outage', remaining: 30 });
    open(async () => {}, {});
    await until('some attempts have failed', () => logged('slack.socket_lost').length >= 8);
    test.simulator.faults.update({ faults: [] });
    await ready(2);
    const waits = logged('slack.socket_lost')
      .filter(({ fields }) => fields.socket === 0)
      .map(({ fields }) => Number(fields.waitMs));
    expect(waits[0]).toBeLessThanOrEqual(20);
    expect(Math.max(...waits)).toBeGreaterThan(20);
    expect(Math.max(...waits)).toBeLessThanOrEqual(100);
  });

  it.each([
    ['a token that Slack does not know', 'xapp-1-wrong', 'invalid_auth', /app-level token/],
    ['a bot token', 'xoxb-bot', 'not_allowed_token_type', /xapp-/],
  ])('with %s is an error that says what to do', async (_name, token, reason, remedy) => {
    await start(async () => {}, { token });
    await until('it is refused', () => logged('slack.socket_refused').length >= 2);
    expect(logged('slack.socket_refused')[0]).toMatchObject({
      level: 'error',
      fields: { reason, remedy: expect.stringMatching(remedy) },
    });
    expect(JSON.stringify(log.lines)).not.toContain(token);
  });

  it('of an app whose Socket Mode was switched off is an error that says what to do', async () => {
    await start(async () => {});
    await ready(2);
    await test.simulator.sockets.disconnect(appToken, 'link_disabled');
    await until('it is said', () => logged('slack.socket_refused').length >= 2);
    expect(logged('slack.socket_refused')[0]?.fields.remedy).toMatch(/Socket Mode/);
  });
});
