import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A call as it came in: the method, the token and the form's fields. */
interface SlackWebApiCall {
  readonly method: string;
  readonly token: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** What the stand-in does with one call instead of answering it well. */
type SlackWebApiFault =
  | { readonly kind: 'answer'; readonly body: unknown; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** Reads the request and hangs up. */
  | { readonly kind: 'hang_up' }
  /** Sends the beginning of an answer and hangs up. */
  | { readonly kind: 'cut_short' }
  /** Reads the request and says nothing. */
  | { readonly kind: 'silence' };

export interface SlackWebApi extends AsyncDisposable {
  /** Ends in `/api/`. */
  readonly apiUrl: string;
  readonly calls: readonly SlackWebApiCall[];
  /** TCP connections accepted so far. */
  readonly connections: number;
  /** Applies to the next call of the method; several queue up. */
  fail(method: string, fault: SlackWebApiFault): void;
  /** What a method answers from now on. */
  answer(method: string, answer: (call: SlackWebApiCall) => unknown): void;
}

/**
 * The few methods of Slack's Web API that the channel calls, over real HTTP and strict: a call that Slack would refuse
 * is refused. For tests of the channel itself.
 */
export async function startSlackWebApi(): Promise<SlackWebApi> {
  const calls: SlackWebApiCall[] = [];
  const faults = new Map<string, SlackWebApiFault[]>();
  const answers = new Map<string, (call: SlackWebApiCall) => unknown>();
  let counter = 0;
  let connections = 0;

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const call = await readCall(request);
    calls.push(call);
    const fault = faults.get(call.method)?.shift();
    if (fault !== undefined) {
      applyFault(fault, response);
      return;
    }
    const problem = refusal(request, call);
    counter += 1;
    const body = problem ?? answers.get(call.method)?.(call) ?? defaultAnswer(call, counter);
    send(response, 200, body, { 'x-oauth-scopes': 'chat:write, app_mentions:read,users:read' });
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    apiUrl: `http://127.0.0.1:${port}/api/`,
    calls,
    get connections() {
      return connections;
    },
    fail: (method, fault) => {
      faults.set(method, [...(faults.get(method) ?? []), fault]);
    },
    answer: (method, answer) => {
      answers.set(method, answer);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readCall(request: IncomingMessage): Promise<SlackWebApiCall> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const fields = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString('utf8')));
  const token = fields.token ?? (request.headers.authorization ?? '').replace(/^Bearer /, '');
  return { method: (request.url ?? '').replace(/^\/api\//, ''), token, fields };
}

/** Slack's own refusal of a call that is wrong; `null`: nothing is wrong with it. */
function refusal(request: IncomingMessage, { method, token, fields }: SlackWebApiCall): unknown {
  const error = (word: string) => ({ ok: false, error: word });
  if (request.method !== 'POST') return error('invalid_post_type');
  if (!(request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded')) {
    return error('invalid_post_type');
  }
  if (token === '') return error('not_authed');
  if (!token.startsWith('xoxb-')) return error('invalid_auth');
  if (method.startsWith('chat.')) {
    if (!/^[CDG][A-Z0-9]+$/.test(fields.channel ?? '')) return error('channel_not_found');
    if (fields.text !== undefined && fields.markdown_text !== undefined)
      return error('markdown_text_conflict');
    if (method !== 'chat.delete' && (fields.markdown_text ?? '') === '') return error('no_text');
    if ((fields.markdown_text ?? '').length > 12_000) return error('msg_too_long');
    if (fields.metadata !== undefined && !isMetadata(fields.metadata))
      return error('invalid_metadata_format');
  }
  if (method === 'chat.postEphemeral' && fields.user === undefined) return error('user_not_in_channel');
  if (method === 'chat.update' && fields.ts === undefined) return error('message_not_found');
  if (method === 'conversations.replies' && fields.ts === undefined) return error('thread_not_found');
  if (method === 'users.info' && !/^[UW][A-Z0-9]+$/.test(fields.user ?? '')) return error('user_not_found');
  return null;
}

function isMetadata(json: string): boolean {
  const metadata: unknown = JSON.parse(json);
  return (
    typeof metadata === 'object' &&
    metadata !== null &&
    'event_type' in metadata &&
    'event_payload' in metadata
  );
}

function defaultAnswer({ method, fields }: SlackWebApiCall, counter: number): unknown {
  const ts = fields.ts ?? `1712345678.${String(counter).padStart(6, '0')}`;
  switch (method) {
    case 'chat.postMessage':
    case 'chat.update':
      return {
        ok: true,
        channel: fields.channel,
        ts,
        message: { type: 'message', text: fields.markdown_text, ts },
      };
    case 'chat.postEphemeral':
      return { ok: true, message_ts: ts };
    case 'auth.test':
      return {
        ok: true,
        url: 'https://acme.slack.com/',
        team: 'Acme Ltd',
        user: 'ada',
        team_id: 'T0ACME0001',
        user_id: 'U0ADABOT01',
        bot_id: 'B0ADABOT01',
        is_enterprise_install: false,
      };
    case 'conversations.replies':
    case 'conversations.history':
      return { ok: true, messages: [], has_more: false, response_metadata: { next_cursor: '' } };
    default:
      return { ok: false, error: 'unknown_method' };
  }
}

function applyFault(fault: SlackWebApiFault, response: ServerResponse): void {
  switch (fault.kind) {
    case 'answer':
      send(response, 200, fault.body, fault.headers);
      return;
    case 'status':
      response.writeHead(fault.status, fault.headers ?? {});
      response.end(fault.body ?? '');
      return;
    case 'hang_up':
      response.destroy();
      return;
    case 'cut_short':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
      response.write('{"ok":true,', () => response.destroy());
      return;
    case 'silence':
      return;
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
}
