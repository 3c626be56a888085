import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import {
  type ModelAnswer,
  type ModelProtocol,
  modelProtocols,
  type PromptOnTheWire,
  type WireProtocol,
  wireProtocols,
} from './model-protocols.ts';

/**
 * A stand-in for the model providers: real HTTP on loopback in the protocols of Anthropic, OpenAI (Responses),
 * Gemini, OpenAI-compatible servers and Ollama. It is strict: a request that the provider would refuse is refused
 * here too. What it answers is programmed with `respond`.
 */
export interface ModelServer {
  /** Base URL per protocol, as it would stand in `…_BASE_URL`. */
  readonly urls: Readonly<Record<ModelProtocol, string>>;
  /** Every generation request so far, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** How many TCP connections clients opened so far. */
  readonly connectionCount: number;
  /** Sets what is answered from now on; the default is `You said: …`. A string is short for an answer. */
  respond(responder: Responder): void;
  /** The replies of the next requests in order; then the responder again. */
  respondNext(...replies: readonly Reply[]): void;
  close(): Promise<void>;
}

interface RecordedRequest extends PromptOnTheWire {
  readonly protocol: ModelProtocol;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>>;
  readonly apiKey: string | null;
  /** Resolves when the client closes the connection before the reply was complete. */
  readonly abandoned: Promise<void>;
}

type Responder = (request: RecordedRequest) => Reply | Promise<Reply>;

type Reply =
  | string
  | (ModelAnswer & Delayed)
  /** An error in the provider's own shape. */
  | ({
      readonly status: number;
      readonly errorType?: string;
      readonly message?: string;
      /** Gemini's `error.details`; the other protocols have none. */
      readonly details?: readonly WireDetail[];
      readonly headers?: Readonly<Record<string, string>>;
    } & Delayed)
  /** Any body with status 200. */
  | ({ readonly rawBody: string } & Delayed)
  /** Half of an answer, then the connection is cut. */
  | { readonly cut: true }
  /** No answer at all until the client gives up. */
  | { readonly hang: true };

type WireDetail = Readonly<Record<string, unknown>>;

interface Delayed {
  readonly delayMs?: number;
}

export interface ModelServerOptions {
  /** The only key that is accepted; absent: any. */
  readonly apiKey?: string;
  /** The only models that exist; absent: any. */
  readonly models?: readonly string[];
}

const MAX_DELAY_MS = 10_000;

export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  const requests: RecordedRequest[] = [];
  const queued: Reply[] = [];
  const closing = new AbortController();
  let responder: Responder = (request) => `You said: ${request.messages.at(-1)?.content ?? ''}`;
  let connectionCount = 0;

  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { standInFailed: String(error) });
    });
  });
  server.on('connection', () => {
    connectionCount += 1;
  });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const protocol = modelProtocols.find((name) => path.startsWith(`${wireProtocols[name].basePath}/`));
    const body = await readBody(request);
    if (!protocol) return sendJson(response, 404, { error: `nothing at ${path}` });
    const wire = wireProtocols[protocol];
    const refuse = (status: number, type: string, message: string, details?: readonly WireDetail[]) =>
      sendJson(response, status, wire.error(status, type, message, details));

    const apiKey = wire.key(request.headers);
    const keyFits = apiKey === null ? !wire.keyRequired : apiKey === (options.apiKey ?? apiKey);
    if (!keyFits) {
      const { status, type, details } = wire.keyRefusal ?? {
        status: 401,
        type: 'authentication_error',
        details: undefined,
      };
      return refuse(status, type, `invalid key ${apiKey}`, details);
    }
    const knows = (model: string) => options.models === undefined || options.models.includes(model);

    const below = path.slice(wire.basePath.length);
    if (request.method === 'GET') {
      if (below === '/models' && options.models) return sendJson(response, 200, wire.list(options.models));
      const model = /^\/models\/(.+)$/.exec(below)?.[1];
      if (model === undefined) return refuse(404, 'not_found_error', `nothing at ${path}`);
      if (!knows(decodeURIComponent(model))) return refuse(404, 'not_found_error', `model: ${model}`);
      return sendJson(response, 200, { id: model, object: 'model', name: `models/${model}` });
    }
    const generation = wire.generatePath.exec(below);
    if (!generation || request.method !== 'POST') return refuse(404, 'not_found_error', `nothing at ${path}`);

    let recorded: RecordedRequest;
    try {
      const json = JSON.parse(body) as Readonly<Record<string, unknown>>;
      if (json.stream === true) throw new Error('stream: this stand-in does not stream');
      const prompt = wire.read(json, generation.groups?.model ?? null, request.headers);
      const { promise: abandoned, resolve } = Promise.withResolvers<void>();
      response.on('close', () => {
        if (!response.writableFinished) resolve();
      });
      recorded = { ...prompt, protocol, path, headers: request.headers, body: json, apiKey, abandoned };
    } catch (error) {
      return refuse(400, 'invalid_request_error', error instanceof Error ? error.message : String(error));
    }
    requests.push(recorded);
    if (!knows(recorded.model)) return refuse(404, 'not_found_error', `model: ${recorded.model}`);
    await reply(wire, recorded, queued.shift() ?? (await responder(recorded)), response);
  }

  async function reply(
    wire: WireProtocol,
    request: RecordedRequest,
    answer: Reply,
    response: ServerResponse,
  ): Promise<void> {
    if (typeof answer === 'string') return reply(wire, request, { text: answer }, response);
    if ('hang' in answer) return;
    if ('cut' in answer) {
      const half = JSON.stringify(wire.answer({ text: 'cut in the mid' }, request.model)).slice(0, 40);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '400' });
      response.write(half, () => response.destroy());
      return;
    }
    if (answer.delayMs) {
      await wait(Math.min(answer.delayMs, MAX_DELAY_MS), undefined, { signal: closing.signal });
    }
    if ('rawBody' in answer) {
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer.rawBody);
    } else if ('status' in answer) {
      const { status, errorType = 'api_error', message = 'something failed', details, headers } = answer;
      sendJson(response, status, wire.error(status, errorType, message, details), headers);
    } else {
      sendJson(response, 200, wire.answer(answer, request.model));
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const url = (protocol: ModelProtocol) => `http://127.0.0.1:${port}${wireProtocols[protocol].basePath}`;

  return {
    urls: {
      anthropic: url('anthropic'),
      openai: url('openai'),
      google: url('google'),
      'openai-compatible': url('openai-compatible'),
      ollama: url('ollama').replace('/v1', ''),
    },
    requests,
    get connectionCount() {
      return connectionCount;
    },
    respond(next) {
      responder = next;
    },
    respondNext(...replies) {
      queued.push(...replies);
    },
    async close() {
      closing.abort();
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const payload = JSON.stringify(body);
  response
    .writeHead(status, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(payload),
      ...headers,
    })
    .end(payload);
}
