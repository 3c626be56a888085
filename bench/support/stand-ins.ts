import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Slack's Web API and a model, as little as a turn needs of them, so that they do not dominate a measurement. (The
 * simulator checks everything that Slack checks; here the contenders are known to be right.)
 */
export interface StandIns {
  /** Ends in `/api/`. */
  readonly slackApiUrl: string;
  /** Base URL of the chat completions API. */
  readonly modelUrl: string;
  /** How long the model thinks, in ms. */
  setModelDelay(ms: number): void;
  /** Called when an answer stands in a thread, with the thread. */
  onAnswer(listener: (threadId: string) => void): void;
  /** Messages that hold an answer, by thread: more than one means that somebody was answered twice. */
  answersIn(threadId: string): number;
  /** Forgets all messages. */
  clear(): void;
  close(): Promise<void>;
}

const ANSWER =
  'The importer keeps its place: run `importer resume` and it goes on from the last batch. '.repeat(4);

interface StoredMessage {
  readonly threadId: string;
  readonly metadata: string;
  answered: boolean;
}

export async function startStandIns(): Promise<StandIns> {
  const messages = new Map<string, StoredMessage>();
  const threads = new Map<string, string[]>();
  let listener: (threadId: string) => void = () => {};
  let modelDelayMs = 0;
  let posted = 0;
  const startedAtSeconds = Math.floor(Date.now() / 1_000);

  const usage = { prompt_tokens: 300, completion_tokens: 80, total_tokens: 380 };
  const completion = JSON.stringify({
    id: 'chatcmpl-01',
    object: 'chat.completion',
    created: startedAtSeconds,
    model: 'bench',
    choices: [{ index: 0, message: { role: 'assistant', content: ANSWER }, finish_reason: 'stop' }],
    usage,
  });

  const chunk = (delta: object, finish: string | null, rest: object = {}): string =>
    `data: ${JSON.stringify({
      id: 'chatcmpl-01',
      object: 'chat.completion.chunk',
      created: startedAtSeconds,
      model: 'bench',
      choices: [{ index: 0, delta, finish_reason: finish }],
      ...rest,
    })}\n\n`;
  const streamed = `${chunk({ role: 'assistant', content: ANSWER }, null)}${chunk({}, 'stop', { usage })}data: [DONE]\n\n`;

  function callSlack(method: string, fields: URLSearchParams): string {
    switch (method) {
      case 'chat.postMessage': {
        posted += 1;
        const ts = `${startedAtSeconds + 1_000_000}.${String(posted).padStart(6, '0')}`;
        const threadId = fields.get('thread_ts') ?? ts;
        messages.set(ts, { threadId, metadata: fields.get('metadata') ?? '', answered: false });
        const thread = threads.get(threadId);
        if (thread) thread.push(ts);
        else threads.set(threadId, [ts]);
        noteAnswer(ts, fields);
        return `{"ok":true,"channel":"${fields.get('channel')}","ts":"${ts}"}`;
      }
      case 'chat.update': {
        const ts = fields.get('ts') ?? '';
        noteAnswer(ts, fields);
        return `{"ok":true,"channel":"${fields.get('channel')}","ts":"${ts}"}`;
      }
      case 'users.info':
        return '{"ok":true,"user":{"id":"U0PERSON0","name":"mara","profile":{"display_name":"Mara"}}}';
      case 'auth.test':
        return '{"ok":true,"user_id":"U0BENCH","user":"ada","bot_id":"B0BENCH","team_id":"T0BENCH","team":"Bench"}';
      case 'conversations.replies': {
        const found = (threads.get(fields.get('ts') ?? '') ?? []).map((ts) => ({
          ts,
          bot_id: 'B0BENCH',
          text: '',
          metadata: JSON.parse(messages.get(ts)?.metadata || 'null'),
        }));
        return JSON.stringify({ ok: true, messages: found, has_more: false });
      }
      default:
        return '{"ok":false,"error":"unknown_method"}';
    }
  }

  function noteAnswer(ts: string, fields: URLSearchParams): void {
    const text = fields.get('markdown_text') ?? fields.get('text') ?? '';
    const message = messages.get(ts);
    if (!message || message.answered || !text.startsWith(ANSWER.slice(0, 20))) return;
    message.answered = true;
    listener(message.threadId);
  }

  function answer(request: IncomingMessage, body: string): string {
    const path = request.url ?? '';
    if (path === '/v1/chat/completions') return /"stream":\s*true/.test(body) ? streamed : completion;
    const method = path.slice('/api/'.length);
    const isJson = request.headers['content-type']?.startsWith('application/json') ?? false;
    const fields = isJson
      ? new URLSearchParams(JSON.parse(body) as Record<string, string>)
      : new URLSearchParams(body);
    return callSlack(method, fields);
  }

  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const text = answer(request, body);
      const send = (): void => {
        response.writeHead(200, {
          'content-type': text === streamed ? 'text/event-stream' : 'application/json; charset=utf-8',
          'content-length': Buffer.byteLength(text),
        });
        response.end(text);
      };
      if ((text === completion || text === streamed) && modelDelayMs > 0) setTimeout(send, modelDelayMs);
      else send();
    });
  });
  server.keepAliveTimeout = 120_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;

  return {
    slackApiUrl: `http://127.0.0.1:${port}/api/`,
    modelUrl: `http://127.0.0.1:${port}/v1`,
    setModelDelay: (ms) => {
      modelDelayMs = ms;
    },
    onAnswer: (next) => {
      listener = next;
    },
    answersIn: (threadId) => (threads.get(threadId) ?? []).filter((ts) => messages.get(ts)?.answered).length,
    clear: () => {
      messages.clear();
      threads.clear();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
