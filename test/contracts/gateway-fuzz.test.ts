import type { FastifyInstance } from 'fastify';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Channel, ChannelRequest } from '../../src/core/channel.ts';
import type { ChannelEvent } from '../../src/core/channel-event.ts';
import type { ConnectionDirectory, ResolvedConnection } from '../../src/core/connection-directory.ts';
import { createHttpServer } from '../../src/gateway/create-http-server.ts';
import { createReceiver } from '../../src/gateway/create-receiver.ts';
import { createMailboxHub } from '../../src/gateway/visitors/create-mailbox-hub.ts';
import { createVisitorGate } from '../../src/gateway/visitors/create-visitor-gate.ts';
import { visitorRoutes } from '../../src/gateway/visitors/visitor-routes.ts';
import { recordingLog } from '../support/recording-log.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { encodeBody, type WireBody } from './bodies/wire-body.ts';
import type { ChannelHarness } from './channel-harness.ts';
import { harnesses } from './channel-harnesses.ts';
import { unstorable } from './check-events.ts';
import { mixedJson } from './fuzz-json.ts';

const MIXED = 8;
const unreadable: readonly (readonly [name: string, bytes: string | Buffer])[] = [
  ['nothing', ''],
  ['no JSON', '{"text":"hello'],
  ['no object', '["hello"]'],
  ['a text', '"hello"'],
  ['no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x7d])],
  ['endless nesting', '['.repeat(100_000)],
  ['four million blanks', Buffer.alloc(4_000_000, ' ')],
];

/** The front of an installation with one connection, on which nothing is stored but in a list. */
async function openGateway(harness: ChannelHarness, given: Partial<Channel> = {}) {
  const { definition, access, secret, nowMs } = harness;
  const channel: Channel = { ...harness.channel, connectionSecret: () => secret, ...given };
  const { type, webhook } = definition;
  const log = recordingLog();
  const stored: ChannelEvent[] = [];
  const connection = {
    id: access.connectionId,
    tenantId: 't1',
    channel: type,
    externalId: access.externalId,
    status: 'active',
    settings: {},
    credentials: '',
    ownSigningSecret: false,
  } as unknown as ResolvedConnection;
  const directory: ConnectionDirectory = {
    resolve: async (_channel, { externalIds }) =>
      externalIds.includes(access.externalId) ? connection : null,
    known: (_channel, account) => directory.resolve(type, account),
    find: async () => connection,
    knownById: async () => connection,
  };
  const cipher = { decrypt: () => '{}' } as never;
  let ms = 0;
  // A visitor may send only so much in a minute.
  const clock = () => {
    ms += 60_000;
    return ms;
  };
  const wallClock = () => nowMs;
  const receive = createReceiver({
    channel,
    shared: webhook.shared,
    signingSecret: webhook.shared ? secret : null,
    directory,
    cipher,
    route: async (_connection, event) => {
      stored.push(event);
      return 'new';
    },
    clock,
    wallClock,
    journeys: { mark() {} },
    log,
  });
  const server: FastifyInstance = createHttpServer({
    receivers: definition.keepsMailbox ? [] : [{ ...webhook, receive }],
    health: async () => ({ status: 'ok' }),
    phase: () => 'ready',
    readMetrics: async () => ({ contentType: 'text/plain', body: '' }),
    clock,
    log,
  });
  if (definition.keepsMailbox) {
    await server.register(
      visitorRoutes({
        channel: type,
        path: webhook.path,
        gate: createVisitorGate({ channel, directory, cipher, ownOrigins: () => [], clock, wallClock }),
        hub: createMailboxHub(),
        mailbox: { read: async () => [] },
        receive,
        agentName: async () => 'Ada',
        onChange() {},
        clock,
        wallClock,
        log,
      }),
    );
  }
  return {
    log,
    stored,
    close: () => server.close(),
    async send({ path, headers, body }: ChannelRequest) {
      const own = definition.keepsMailbox
        ? `${path}/${access.externalId}/messages`
        : `${path}/${access.connectionId}`;
      const answer = await server.inject({
        method: 'POST',
        url: webhook.shared ? path : own,
        headers: headers as Record<string, string>,
        payload: body,
      });
      return { status: answer.statusCode, text: answer.body };
    },
  };
}

describe.each(harnesses)('the gateway and what comes for %s', (_type, start) => {
  let harness: ChannelHarness;
  let gateway: Awaited<ReturnType<typeof openGateway>>;
  beforeAll(async () => {
    harness = await start();
  });
  afterAll(() => harness.close());
  beforeEach(async () => {
    gateway = await openGateway(harness);
  });
  afterEach(() => gateway.close());

  const told = () => gateway.log.lines.filter(({ level }) => level !== 'debug');

  /** One clear answer and one log line, in which nothing stands of what was sent. */
  function expectRefusal({ status, text }: { status: number; text: string }, name: string): void {
    expect(status, name).toBeGreaterThanOrEqual(400);
    expect(status, `${name}: ${JSON.stringify(gateway.log.lines)}`).toBeLessThan(500);
    const { error } = JSON.parse(text) as { error: string };
    expect(JSON.parse(text), name).toEqual({
      error,
      message: expect.any(String),
      remedy: expect.any(String),
    });
    expect(told(), name).toEqual([
      expect.objectContaining({
        event: 'request.refused',
        fields: expect.objectContaining({ status, code: error }),
      }),
    ]);
    expect(JSON.stringify(gateway.log.lines), name).not.toContain('hello');
    expect(gateway.stored, name).toEqual([]);
  }

  it.each(unreadable)(
    '%s gets one clear answer and one log line, and nothing is stored',
    async (name, bytes) => {
      for (const [path, contentType] of new Map(harness.bodies.map(wayOf))) {
        if (contentType !== 'application/json') continue; // to a form nearly everything is a field
        gateway.log.lines.splice(0);
        const request = harness.signed({ contentType, body: Buffer.from(bytes) }, path);
        expectRefusal(await gateway.send(request), name);
      }
    },
  );

  it(`whatever else comes is taken or refused, never failed (${MIXED} of each kind)`, async () => {
    for (const body of harness.bodies) {
      for (let seed = 0; seed <= MIXED; seed += 1) {
        const json = seed === 0 ? JSON.stringify(body.sample) : mixedJson(body.sample, seededRandom(seed));
        gateway.log.lines.splice(0);
        gateway.stored.splice(0);
        const answer = await gateway.send(harness.signed(encodeBody(body, json), body.path));
        const name = `${body.kind} by seed ${seed}`;
        if (answer.status >= 300) expectRefusal(answer, name);
        else
          expect(
            told().filter(({ event }) => event !== 'event.unknown_installation'),
            name,
          ).toEqual([]);
        expect(unstorable(gateway.stored), name).toBeNull();
        if (seed === 0) expect(answer.status, name).toBeLessThan(300);
      }
    }
  });

  it('a fault in its reader is told with its place and without its words, and sent away as what cannot be read', async () => {
    const parse = (): never => {
      throw new TypeError('cannot read "hello"');
    };
    const faulty = await openGateway(harness, { parse });
    const [body] = harness.bodies as readonly [WireBody];
    const { status, text } = await faulty.send(
      harness.signed(encodeBody(body, JSON.stringify(body.sample)), body.path),
    );
    expect([status, JSON.parse(text)]).toMatchObject([400, { error: 'body_malformed' }]);
    expect(faulty.log.lines).toMatchObject([
      {
        level: 'error',
        event: 'request.failed',
        fields: { defect: expect.stringContaining('TypeError at') },
      },
    ]);
    expect(JSON.stringify(faulty.log.lines)).not.toContain('hello');
    await faulty.close();
  });
});

function wayOf({ path, form }: WireBody): [path: string | undefined, contentType: string] {
  return [path, encodeBody({ ...(form && { form }) }, '{}').contentType];
}
