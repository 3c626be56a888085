import { once } from 'node:events';
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
import { type AwsAccount, checkAwsSignature } from './model-wire/aws-signature.ts';

/**
 * A stand-in for the model providers: real HTTP on loopback in the protocols of Anthropic, OpenAI (Responses and chat),
 * Gemini, Bedrock, Azure, Mistral and those who speak OpenAI's; whole and streamed. It is strict: a request that the
 * provider would refuse is refused here too. What it answers is programmed with `respond`.
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

export interface RecordedRequest extends PromptOnTheWire {
  readonly protocol: ModelProtocol;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Readonly<Record<string, unknown>>;
  readonly apiKey: string | null;
  readonly streamed: boolean;
  /** Pieces of the answer's text that the socket has taken so far. */
  readonly sentPieces: number;
  /** Resolves when the client closes the connection before the reply was complete. */
  readonly abandoned: Promise<void>;
}

type Responder = (request: RecordedRequest) => Reply | Promise<Reply>;

type Reply =
  | string
  | (ModelAnswer & Delayed)
  | StreamedReply
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

/** An answer piece by piece, where the request asks for a stream. */
interface StreamedReply extends Partial<Omit<ModelAnswer, 'text'>> {
  readonly pieces: Iterable<string> | AsyncIterable<string>;
  /**
   * What follows: the proper end (unless said), the connection is cut, the answer ends in order without its end, nothing
   * more comes, or an error of the provider's in the stream.
   */
  readonly after?: 'finish' | 'cut' | 'end' | 'hang' | { readonly errorType: string };
}

type WireDetail = Readonly<Record<string, unknown>>;

interface Delayed {
  readonly delayMs?: number;
}

export interface ModelServerOptions {
  /** The only key that is accepted; absent: any. */
  readonly apiKey?: string;
  /** Bedrock: the only account whose signatures are accepted; absent: a signed request is refused as a wrong key is. */
  readonly aws?: AwsAccount;
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
      sendJson(response, status, wire.error(status, type, message, details), wire.errorHeaders?.(type));

    const apiKey = wire.key(request.headers);
    const isSigned = protocol === 'bedrock' && apiKey === null && options.aws !== undefined;
    if (isSigned) {
      const { method = '', url = '', headers } = request;
      const nowMs = Date.now();
      const wrong = checkAwsSignature({ method, url, headers, body }, options.aws, {
        service: 'bedrock',
        nowMs,
      });
      if (wrong !== null) return refuse(wrong.status, wrong.type, wrong.message);
    }
    const keyFits = isSigned || (apiKey === null ? !wire.keyRequired : apiKey === (options.apiKey ?? apiKey));
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
      const streamed = json.stream === true || generation.groups?.stream !== undefined;
      const prompt = wire.read(json, generation.groups?.model ?? null, request.headers);
      const { promise: abandoned, resolve } = Promise.withResolvers<void>();
      response.on('close', () => {
        if (!response.writableFinished) resolve();
      });
      const { headers } = request;
      recorded = {
        ...prompt,
        protocol,
        path,
        headers,
        body: json,
        apiKey,
        streamed,
        sentPieces: 0,
        abandoned,
      };
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
    if ('pieces' in answer) return stream(wire, request, answer, response);
    if ('cut' in answer) {
      if (request.streamed)
        return stream(wire, request, { pieces: ['cut in ', 'the mid'], after: 'cut' }, response);
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
      const all = { ...wire.errorHeaders?.(errorType), ...headers };
      sendJson(response, status, wire.error(status, errorType, message, details), all);
    } else if (request.streamed) {
      await stream(wire, request, { ...answer, pieces: answer.text.match(/\S*\s*/g) ?? [] }, response);
    } else {
      sendJson(response, 200, wire.answer(answer, request.model));
    }
  }

  async function stream(
    wire: WireProtocol,
    request: { sentPieces: number } & RecordedRequest,
    reply: StreamedReply,
    response: ServerResponse,
  ): Promise<void> {
    const { pieces, after = 'finish', ...rest } = reply;
    const parts = wire.stream({ text: '', ...rest }, request.model, request.body);
    const closed = new AbortController();
    response.on('close', () => closed.abort());
    const write = async (chunk: string | Buffer): Promise<void> => {
      if (!response.write(chunk)) await once(response, 'drain', { signal: closed.signal });
    };
    try {
      response.writeHead(200, { 'content-type': wire.streamType });
      for (const chunk of parts.head) await write(chunk);
      for await (const piece of pieces) {
        if (piece === '') continue;
        await write(parts.text(piece));
        request.sentPieces += 1;
      }
      if (after === 'hang') return;
      if (after === 'cut') {
        response.destroy();
        return;
      }
      if (typeof after === 'object') await write(parts.error(after.errorType));
      if (after === 'finish') for (const chunk of parts.tail) await write(chunk);
      response.end();
    } catch (error) {
      if (!closed.signal.aborted) throw error; // the client left
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
      'openai-chat': url('openai-chat'),
      google: url('google'),
      bedrock: url('bedrock'),
      azure: url('azure').replace('/openai/v1', ''),
      mistral: url('mistral'),
      groq: url('groq'),
      openrouter: url('openrouter'),
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
