import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { ChannelRequest } from '../../core/channel.ts';
import type { Clock } from '../../core/clock.ts';
import type { ResolvedConnection } from '../../core/connection-directory.ts';
import { KonstructError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { VisitorMailbox } from '../../core/mailbox.ts';
import { type Metrics, noMetrics } from '../../core/metrics.ts';
import type { Visitor } from '../../core/visitor.ts';
import { outcomeOf } from '../create-http-server.ts';
import type { Receiver } from '../create-receiver.ts';
import type { MailboxHub } from './create-mailbox-hub.ts';
import type { Caller, VisitorGate } from './create-visitor-gate.ts';
import { createVisitorLimit } from './create-visitor-limit.ts';
import { createVisitorStreams } from './create-visitor-streams.ts';

export interface VisitorRoutesOptions {
  readonly channel: string;
  /** Of the channel: `/widget`. */
  readonly path: string;
  readonly gate: VisitorGate;
  readonly hub: MailboxHub;
  readonly mailbox: Pick<VisitorMailbox, 'read'>;
  readonly receive: Receiver;
  /** What the agent is called that answers on a connection. */
  readonly agentName: (connection: ResolvedConnection) => Promise<string>;
  /** Calls back when a tenant, agent or connection has changed. */
  readonly onChange: (changed: () => void) => void;
  readonly clock: Clock;
  readonly wallClock: Clock;
  readonly metrics?: Metrics;
  readonly log: Log;
}

type ConnectionParams = { Params: { connection: string } };

const BODY_LIMIT_BYTES = 64 * 1024;
/** How long a browser may remember that it may ask; Chrome's own limit. */
const PREFLIGHT_SECONDS = 7_200;
/** A stranger's proof is renewed when it has fewer days than these. */
const RENEW_BELOW_MS = 90 * 86_400_000;

/**
 * What visitors' browsers ask, below `/widget/{connection}`: `POST session` (who am I, who answers), `POST messages`, `GET
 * events` (server-sent events), each with `Authorization: Bearer …` and from pages of the connection's sites only.
 */
export function visitorRoutes(options: VisitorRoutesOptions): FastifyPluginAsync {
  const { channel, gate, hub, mailbox, clock, wallClock, metrics = noMetrics, log } = options;
  const base = `${options.path}/:connection`;
  const takeMessage = createVisitorLimit({ perMinute: 20, burst: 10, clock });
  const takeStream = createVisitorLimit({ perMinute: 60, burst: 20, clock });
  const takeSession = createVisitorLimit({ perMinute: 600, burst: 200, clock });
  const streams = createVisitorStreams({ gate, hub, mailbox, wallClock, metrics, log });
  options.onChange(() => streams.recheck());

  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    app.addHook('onSend', async (_request, reply) => {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    });
    app.addHook('onResponse', async ({ method }, reply) => {
      if (method === 'OPTIONS') return;
      const outcome = outcomeOf(reply.statusCode);
      metrics.counter('konstruct_requests_total', { channel, outcome }).increment();
    });
    app.addHook('preClose', async () => streams.end());

    app.options(`${base}/*`, async (request: FastifyRequest<ConnectionParams>, reply) => {
      await enter(request, reply);
      return reply
        .headers({
          'access-control-allow-methods': 'GET, POST',
          'access-control-allow-headers': 'authorization, content-type, last-event-id',
          'access-control-max-age': PREFLIGHT_SECONDS,
        })
        .code(204)
        .send();
    });

    app.post(`${base}/session`, async (request: FastifyRequest<ConnectionParams>, reply) => {
      const caller = await enter(request, reply);
      takeSession(caller.connection.id);
      const { connection } = caller;
      const known = request.headers.authorization ? await gate.identify(caller, toRequest(request)) : null;
      const isDue = known === null || known.expiresAtMs - wallClock() < RENEW_BELOW_MS;
      const renewed = isDue && known?.isAnonymous !== false ? gate.admitStranger(caller, known) : null;
      const visitor = renewed?.visitor ?? (known as Visitor);
      const agent = await options.agentName(connection);
      const { title = agent, greeting = '' } = connection.settings;
      return {
        ...(renewed !== null && { token: renewed.token }),
        visitor: visitor.channelId,
        expiresAtMs: visitor.expiresAtMs,
        isAnonymous: visitor.isAnonymous,
        agent,
        title,
        greeting,
      };
    });

    app.post(
      `${base}/messages`,
      { bodyLimit: BODY_LIMIT_BYTES },
      async (request: FastifyRequest<ConnectionParams>, reply) => {
        const receivedAtMs = clock();
        const caller = await enter(request, reply);
        const channelRequest = toRequest(request);
        const visitor = await gate.identify(caller, channelRequest);
        const { id } = caller.connection;
        takeMessage(`${id} ${visitor.channelId}`);
        const answer = await options.receive(channelRequest, id, receivedAtMs);
        return reply.type(answer.contentType).send(answer.body);
      },
    );

    app.get(`${base}/events`, async (request: FastifyRequest<ConnectionParams>, reply) => {
      const caller = await enter(request, reply);
      const channelRequest = toRequest(request);
      const visitor = await gate.identify(caller, channelRequest);
      takeStream(`${caller.connection.id} ${visitor.channelId}`);
      const after = revisionOf(request.headers['last-event-id']);
      streams.open(
        { caller, visitor, request: channelRequest, name: request.params.connection, after },
        reply,
      );
      return reply;
    });
  };

  /** Says who may read the answer before anything else can go wrong: a page must be able to read why it was refused. */
  async function enter(request: FastifyRequest<ConnectionParams>, reply: FastifyReply): Promise<Caller> {
    reply.header('vary', 'Origin');
    const caller = await gate.enter(request.params.connection, request.headers);
    if (caller.origin !== null) {
      reply.headers({
        'access-control-allow-origin': caller.origin,
        'access-control-expose-headers': 'retry-after',
      });
    }
    return caller;
  }

  function toRequest({ headers, body }: FastifyRequest): ChannelRequest {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.alloc(0);
    return { path: options.path, headers, body: bytes, receivedAtMs: wallClock() };
  }
}

/** `null`: the browser begins. @throws KonstructError `body_malformed` */
function revisionOf(header: string | string[] | undefined): number | null {
  if (header === undefined || header === '') return null;
  const revision = Number(header);
  if (typeof header !== 'string' || !/^\d{1,16}$/.test(header) || !Number.isSafeInteger(revision))
    throw new KonstructError('body_malformed', 'Last-Event-ID is none that was sent.');
  return revision;
}
