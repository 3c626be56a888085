import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { ChannelWebhook } from '../core/channel-definition.ts';
import type { Clock } from '../core/clock.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { type Metrics, noMetrics } from '../core/metrics.ts';
import type { Handshake } from './create-handshake.ts';
import type { InstallAnswer, InstallFlow } from './create-install-flow.ts';
import type { Receiver } from './create-receiver.ts';
import { defectOf } from './defect-of.ts';
import { pageHeaders } from './install-pages.ts';

export interface HealthReport {
  readonly status: 'ok' | 'unavailable';
  readonly [part: string]: unknown;
}

export type ProcessPhase = 'starting' | 'ready' | 'stopping';

export interface HttpServerOptions {
  /** Who receives what platforms send, and where. The path of one connection is below its channel's. */
  readonly receivers: readonly ReceiverRoute[];
  /** Who connects installations that people make in their browser, and where. */
  readonly installs?: readonly InstallFlow[];
  readonly health: () => Promise<HealthReport>;
  /** How far the process is in its life; `ready` takes part, `stopping` wants to be left alone. */
  readonly phase: () => ProcessPhase;
  /** What `/metrics` answers. */
  readonly readMetrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
  readonly metrics?: Metrics;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ReceiverRoute extends ChannelWebhook {
  readonly receive: Receiver;
  /** Answers the GET by which the platform checks the address, where `hasHandshake` says that it does. */
  readonly handshake?: Handshake;
}

type ConnectionParams = { Params: { connectionId?: string } };

const BODY_LIMIT_BYTES = 1024 * 1024;
/** Every platform has given up long before. */
const REQUEST_TIMEOUT_MS = 15_000;

const noSchemas = () => () => {
  throw new KonstructError('internal', 'A route has a JSON Schema, but nothing here compiles one.');
};

/** The HTTP front: channel webhooks, health and metrics. Bodies stay raw bytes, because signatures are over bytes. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const server = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 75_000, // longer than the usual load balancer's 60 s, so that it never reuses a closed connection
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    // What still arrives while the server closes is answered as ever: a load balancer does not repeat a POST.
    return503OnClosing: false,
    // Nothing is described by JSON Schema, so what compiles it is not loaded: 3.5 MB less.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
  });
  server.addHook('onSend', async (_request, reply) => {
    if (options.phase() === 'stopping') reply.header('connection', 'close'); // kept-alive connections go elsewhere
  });
  server.setErrorHandler((error, request, reply) => answerError(options.log, error, request, reply));
  server.setNotFoundHandler((request, reply) =>
    answerError(
      options.log,
      new KonstructError('not_found', `There is nothing at ${request.method} ${pathOf(request)}.`),
      request,
      reply,
    ),
  );

  void server.register(async (webhooks) => {
    const { metrics = noMetrics } = options;
    webhooks.addHook('onResponse', async (request, reply) => {
      const channel = channelOf(request.routeOptions.url);
      metrics
        .counter('konstruct_requests_total', { channel, outcome: outcomeOf(reply.statusCode) })
        .increment();
      if (reply.statusCode < 300)
        metrics.histogram('konstruct_ack_seconds', { channel }).observe(reply.elapsedTime / 1_000);
    });
    webhooks.removeAllContentTypeParsers();
    webhooks.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    for (const receiver of options.receivers) {
      for (const path of [receiver.path, ...(receiver.alsoPaths ?? [])]) addWebhook(webhooks, path, receiver);
    }
  });

  function addWebhook(
    webhooks: FastifyInstance,
    path: string,
    { shared, receive, handshake, hasHandshake = false, maxBodyBytes = BODY_LIMIT_BYTES }: ReceiverRoute,
  ): void {
    const handle = async (request: FastifyRequest<ConnectionParams>, reply: FastifyReply) => {
      const receivedAtMs = options.clock();
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const { connectionId = null } = request.params;
      const answer = await receive({ path, headers: request.headers, body }, connectionId, receivedAtMs);
      return reply
        .code(answer.status ?? 200)
        .type(answer.contentType)
        .send(answer.body);
    };
    const limits = { bodyLimit: maxBodyBytes };
    if (shared) webhooks.post(path, limits, handle);
    webhooks.post(`${path}/:connectionId`, limits, handle);
    if (!hasHandshake || handshake === undefined) return;
    const shake = async (request: FastifyRequest<ConnectionParams>, reply: FastifyReply) => {
      const answer = await handshake(queryOf(request), request.params.connectionId ?? null);
      return reply.type(answer.contentType).send(answer.body);
    };
    if (shared) webhooks.get(path, shake);
    webhooks.get(`${path}/:connectionId`, shake);
  }

  for (const flow of options.installs ?? []) {
    const send = (reply: FastifyReply, { status, html, cookie }: InstallAnswer) =>
      reply
        .code(status)
        .headers({ ...pageHeaders, ...(cookie === undefined ? {} : { 'set-cookie': cookie }) })
        .send(html);
    server.get(flow.paths.path, async (request, reply) => send(reply, await flow.start(queryOf(request))));
    server.get(flow.paths.redirectPath, async (request, reply) =>
      send(reply, await flow.finish(queryOf(request), request.headers.cookie ?? '')),
    );
  }

  // Some monitors and load balancers ask for the head only.
  const withHead = { exposeHeadRoute: true };
  server.get('/health', withHead, async (_request, reply) => {
    const report = await options.health();
    return reply
      .code(report.status === 'ok' ? 200 : 503)
      .header('cache-control', 'no-store')
      .send(report);
  });
  server.get('/readyz', withHead, async (_request, reply) => {
    const phase = options.phase();
    const isReady = phase === 'ready' && (await options.health()).status === 'ok';
    return reply
      .code(isReady ? 200 : 503)
      .header('cache-control', 'no-store')
      .send({ status: isReady ? 'ready' : phase === 'ready' ? 'unavailable' : phase });
  });
  server.get('/livez', withHead, async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  );
  server.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await options.readMetrics();
    return reply.header('cache-control', 'no-store').type(contentType).send(body);
  });
  return server;
}

/** One clear answer and one log line per refused request. */
function answerError(log: Log, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toKonstructError(error);
  const fields = {
    method: request.method,
    path: pathOf(request),
    status: known.status,
    code: known.code,
    from: request.ip,
  };
  const defect = known.code === 'internal' ? defectOf(error) : known.details.defect;
  if (defect !== undefined) log.error('request.failed', { ...fields, defect });
  else if (known.status >= 500 && !known.retryable) log.error('request.failed', { ...fields, error });
  else log.warn('request.refused', fields);
  if (known.status === 503 || known.status === 429)
    reply.header('retry-after', Math.ceil((known.retryAfterMs ?? 1_000) / 1_000));
  return reply
    .code(known.status)
    .type('application/json; charset=utf-8')
    .send({ error: known.code, message: known.message, remedy: known.remedy });
}

function toKonstructError(error: unknown): KonstructError {
  if (isKonstructError(error)) return error;
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new KonstructError('body_too_large');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new KonstructError('body_malformed', (error as Error).message);
  }
  return new KonstructError('internal', undefined, { cause: error });
}

/** `/slack/events` → `slack`. */
function channelOf(path: string | undefined): string {
  return path?.split('/', 2)[1] ?? '';
}

/** `refused`: the request's own fault; `unavailable`: the platform is to send it again; `failed`: ours. */
export function outcomeOf(status: number): string {
  if (status < 300) return 'acked';
  if (status < 500) return 'refused';
  return status === 503 ? 'unavailable' : 'failed';
}

function queryOf(request: FastifyRequest): URLSearchParams {
  return new URLSearchParams(request.url.split('?', 2)[1] ?? '');
}

/** Without the query: it may hold what does not belong into a log. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}
