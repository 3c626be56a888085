import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One request that a receiver got, after its signature was checked over the raw bytes. */
export interface ReceivedEvent {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly rawBody: string;
  /** Of what people do with a message or a command: the payload, or the form itself. */
  readonly body: EventEnvelope;
  readonly signatureValid: boolean;
}

export interface EventEnvelope {
  readonly type: string;
  readonly team_id: string;
  readonly context_team_id: string;
  readonly api_app_id: string;
  readonly event_id: string;
  readonly event: Readonly<Record<string, unknown>>;
  readonly authorizations: readonly Readonly<Record<string, unknown>>[];
  readonly [field: string]: unknown;
}

export interface Receiver {
  readonly url: string;
  readonly received: ReceivedEvent[];
  /** How the next requests are answered: a status, with headers or late; 200 when the list is empty. */
  readonly answers: Answer[];
  close(): Promise<void>;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly delayMs?: number;
  /** Cuts the connection instead of answering. */
  readonly cut?: boolean;
}

/** A stand-in for the app: an HTTP server that checks signatures by itself and keeps what it gets. */
export async function startReceiver(signingSecret: string): Promise<Receiver> {
  const received: ReceivedEvent[] = [];
  const answers: Answer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const rawBody = Buffer.concat(chunks).toString('utf8');
      const { headers } = request;
      received.push({
        path: request.url ?? '',
        headers,
        rawBody,
        body: readBody(headers, rawBody),
        signatureValid: isSignatureValid(signingSecret, headers, rawBody),
      });
      const answer = answers.shift() ?? {};
      const end = () => {
        if (answer.cut) request.socket.destroy();
        else response.writeHead(answer.status ?? 200, { ...answer.headers }).end();
      };
      if (answer.delayMs) setTimeout(end, answer.delayMs).unref();
      else end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/slack/events`,
    received,
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readBody(headers: IncomingHttpHeaders, rawBody: string): EventEnvelope {
  if (headers['content-type'] !== 'application/x-www-form-urlencoded') return JSON.parse(rawBody);
  const form = new URLSearchParams(rawBody);
  return JSON.parse(form.get('payload') ?? JSON.stringify(Object.fromEntries(form)));
}

function isSignatureValid(secret: string, headers: IncomingHttpHeaders, rawBody: string): boolean {
  const timestamp = headers['x-slack-request-timestamp'];
  const signature = Buffer.from(String(headers['x-slack-signature']));
  const expected = Buffer.from(
    `v0=${createHmac('sha256', secret).update(`v0:${timestamp}:${rawBody}`).digest('hex')}`,
  );
  return signature.length === expected.length && timingSafeEqual(signature, expected);
}
