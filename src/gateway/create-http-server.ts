import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { ChannelWebhook } from '../core/channel-definition.ts';
import type { Clock } from '../core/clock.ts';
import { isKonstructError, KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Receiver } from './create-receiver.ts';

export interface HealthReport {
  readonly status: 'ok' | 'unavailable';
  readonly [part: string]: unknown;
}

export interface HttpServerOptions {
  /** Who receives what platforms send, and where. The path of one connection is below its channel's. */
  readonly receivers: readonly ReceiverRoute[];
  readonly health: () => Promise<HealthReport>;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ReceiverRoute extends ChannelWebhook {
  readonly receive: Receiver;
}

const BODY_LIMIT_BYTES = 1024 * 1024;
/** Every platform has given up long before. */
const REQUEST_TIMEOUT_MS = 15_000;

/** The HTTP front: channel webhooks and health. Bodies stay raw bytes, because signatures are over bytes. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const server = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: 75_000, // longer than the usual load balancer's 60 s, so that it never reuses a closed connection
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    return503OnClosing: true,
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
    webhooks.removeAllContentTypeParsers();
    webhooks.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
    for (const { path, shared, receive } of options.receivers) {
      const handle = async (
        request: FastifyRequest<{ Params: { connectionId?: string } }>,
        reply: FastifyReply,
      ) => {
        const receivedAtMs = options.clock();
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const { connectionId = null } = request.params;
        const answer = await receive({ path, headers: request.headers, body }, connectionId, receivedAtMs);
        return reply.type(answer.contentType).send(answer.body);
      };
      if (shared) webhooks.post(path, handle);
      webhooks.post(`${path}/:connectionId`, handle);
    }
  });

  for (const path of ['/health', '/readyz']) {
    server.get(path, async (_request, reply) => {
      const report = await options.health();
      return reply
        .code(report.status === 'ok' ? 200 : 503)
        .header('cache-control', 'no-store')
        .send(report);
    });
  }
  server.get('/livez', async (_request, reply) =>
    reply.header('cache-control', 'no-store').send({ status: 'ok' }),
  );
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
  if (known.status >= 500 && !known.retryable) log.error('request.failed', { ...fields, error });
  else log.warn('request.refused', fields);
  if (known.status === 503) reply.header('retry-after', Math.ceil((known.retryAfterMs ?? 1_000) / 1_000));
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

/** Without the query: it may hold what does not belong into a log. */
function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}
