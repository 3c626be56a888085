import type { IncomingHttpHeaders } from 'node:http';

/** The protocols that the stand-in for model providers speaks. */
export const modelProtocols = ['anthropic', 'openai', 'google', 'openai-compatible', 'ollama'] as const;
export type ModelProtocol = (typeof modelProtocols)[number];

/** A model's answer, whatever the protocol. */
export interface ModelAnswer {
  readonly text: string;
  /** `refused`: Anthropic `refusal`, OpenAI a refusal part, Gemini `SAFETY`, chat completions `content_filter`. */
  readonly finish?: 'stop' | 'length' | 'refused';
  /** Tools it wants called; the finish is then that. */
  readonly toolCalls?: readonly WireToolCall[];
  /** `null`: the answer carries no usage, as some compatible servers do. */
  readonly usage?: AnswerUsage | null;
}

/** A tool call on the wire; `input` as text is sent as it stands, whether it is JSON or not. */
export interface WireToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>> | string;
}

interface AnswerUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedInputTokens?: number;
  readonly reasoningTokens?: number;
}

/** What a request asks for, read from the protocol's own shape. */
export interface PromptOnTheWire {
  readonly model: string;
  readonly system: string;
  readonly messages: readonly MessageOnTheWire[];
  readonly maxOutputTokens: number | null;
}

export interface MessageOnTheWire {
  /** `tool`: the result of one call, where the protocol is that of chat completions. */
  readonly role: 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly toolCalls?: readonly WireToolCall[];
  readonly toolCallId?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** How one provider's API looks on the wire: paths, key, request, answer, error. */
export interface WireProtocol {
  /** Path of its base URL on the stand-in. */
  readonly basePath: string;
  /** Path of a generation below the base; a capture `model` where the path names the model. */
  readonly generatePath: RegExp;
  readonly keyRequired: boolean;
  /** How a wrong key is refused; absent: 401 `authentication_error`. */
  readonly keyRefusal?: { readonly status: number; readonly type: string; readonly details: readonly Json[] };
  /** The key as sent; `null` when there is none. */
  key(headers: IncomingHttpHeaders): string | null;
  /** @throws Error in plain words when the provider would answer 400 */
  read(body: Json, pathModel: string | null, headers: IncomingHttpHeaders): PromptOnTheWire;
  answer(answer: ModelAnswer, model: string): Json;
  error(status: number, type: string, message: string, details?: readonly Json[]): Json;
  /** The answer of `GET /models`. */
  list(models: readonly string[]): Json;
}

const defaultUsage: AnswerUsage = { inputTokens: 12, outputTokens: 5 };

/** https://platform.claude.com/docs/en/api/messages */
const anthropic: WireProtocol = {
  basePath: '/anthropic/v1',
  generatePath: /^\/messages$/,
  keyRequired: true,
  key: (headers) => headerText(headers['x-api-key']),
  read(body, _pathModel, headers) {
    demand(headers['anthropic-version'] === '2023-06-01', 'anthropic-version: header is required');
    demand(typeof body.max_tokens === 'number', 'max_tokens: field required');
    return {
      model: text(body.model, 'model'),
      system: body.system === undefined ? '' : partsText(body.system, 'system'),
      messages: list(body.messages, 'messages').map((message) => turn(message.role, message.content)),
      maxOutputTokens: Number(body.max_tokens),
    };
  },
  answer({ text: answerText, finish = 'stop', usage = defaultUsage }, model) {
    const tokens = usage ?? { inputTokens: 0, outputTokens: 0 };
    const cached = tokens.cachedInputTokens ?? 0;
    return {
      id: 'msg_01',
      type: 'message',
      role: 'assistant',
      model,
      content: answerText === '' ? [] : [{ type: 'text', text: answerText }],
      stop_reason: { stop: 'end_turn', length: 'max_tokens', refused: 'refusal' }[finish],
      stop_sequence: null,
      usage: {
        input_tokens: tokens.inputTokens - cached,
        output_tokens: tokens.outputTokens,
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: cached,
        ...(tokens.reasoningTokens === undefined
          ? {}
          : { output_tokens_details: { thinking_tokens: tokens.reasoningTokens } }),
      },
    };
  },
  error: (_status, type, message) => ({ type: 'error', error: { type, message }, request_id: 'req_01' }),
  list: dataList,
};

/** https://platform.openai.com/docs/api-reference/responses */
const openai: WireProtocol = {
  basePath: '/openai/v1',
  generatePath: /^\/responses$/,
  keyRequired: true,
  key: bearer,
  read(body) {
    const input = list(body.input, 'input');
    const system = input.filter((item) => item.role === 'system' || item.role === 'developer');
    return {
      model: text(body.model, 'model'),
      system: system.map((item) => partsText(item.content, 'input')).join('\n'),
      messages: input.filter((item) => !system.includes(item)).map((item) => turn(item.role, item.content)),
      maxOutputTokens: typeof body.max_output_tokens === 'number' ? body.max_output_tokens : null,
    };
  },
  answer({ text: answerText, finish = 'stop', usage = defaultUsage }, model) {
    const part =
      finish === 'refused'
        ? { type: 'refusal', refusal: answerText }
        : { type: 'output_text', text: answerText, annotations: [] };
    return {
      id: 'resp_01',
      object: 'response',
      created_at: 1_780_000_000,
      model,
      status: finish === 'length' ? 'incomplete' : 'completed',
      incomplete_details: finish === 'length' ? { reason: 'max_output_tokens' } : null,
      output: [{ type: 'message', id: 'item_01', role: 'assistant', status: 'completed', content: [part] }],
      usage: usage && {
        input_tokens: usage.inputTokens,
        input_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0 },
        output_tokens: usage.outputTokens,
        output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
        total_tokens: usage.inputTokens + usage.outputTokens,
      },
    };
  },
  error: (_status, type, message) => ({ error: { message, type, param: null, code: type } }),
  list: dataList,
};

/** https://ai.google.dev/api/generate-content */
const google: WireProtocol = {
  basePath: '/google/v1beta',
  generatePath: /^\/models\/(?<model>[^/:]+):generateContent$/,
  keyRequired: true,
  keyRefusal: {
    status: 400,
    type: 'INVALID_ARGUMENT',
    details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
  },
  key: (headers) => headerText(headers['x-goog-api-key']),
  read(body, pathModel) {
    const limit = (body.generationConfig as Json | undefined)?.maxOutputTokens;
    const system = (body.systemInstruction as Json | undefined)?.parts;
    return {
      model: text(pathModel, 'model'),
      system: system === undefined ? '' : partsText(system, 'systemInstruction'),
      messages: list(body.contents, 'contents').map((content) =>
        turn(content.role === 'model' ? 'assistant' : content.role, content.parts),
      ),
      maxOutputTokens: typeof limit === 'number' ? limit : null,
    };
  },
  answer({ text: answerText, finish = 'stop', usage = defaultUsage }, model) {
    return {
      candidates: [
        {
          index: 0,
          content: { role: 'model', ...(answerText === '' ? {} : { parts: [{ text: answerText }] }) },
          finishReason: { stop: 'STOP', length: 'MAX_TOKENS', refused: 'SAFETY' }[finish],
        },
      ],
      modelVersion: model,
      ...(usage && {
        usageMetadata: {
          promptTokenCount: usage.inputTokens,
          candidatesTokenCount: usage.outputTokens - (usage.reasoningTokens ?? 0),
          cachedContentTokenCount: usage.cachedInputTokens ?? 0,
          thoughtsTokenCount: usage.reasoningTokens ?? 0,
          totalTokenCount: usage.inputTokens + usage.outputTokens,
        },
      }),
    };
  },
  error: (status, type, message, details) => ({
    error: { code: status, message, status: type, ...(details && { details }) },
  }),
  list: (models) => ({ models: models.map((name) => ({ name: `models/${name}` })) }),
};

/** https://platform.openai.com/docs/api-reference/chat: what compatible servers and Ollama speak. */
const chatCompletions: WireProtocol = {
  basePath: '/openai-compatible/v1',
  generatePath: /^\/chat\/completions$/,
  keyRequired: false,
  key: bearer,
  read(body) {
    const messages = list(body.messages, 'messages');
    const system = messages.filter((message) => message.role === 'system');
    return {
      model: text(body.model, 'model'),
      system: system.map((message) => partsText(message.content, 'messages')).join('\n'),
      messages: messages.filter((message) => !system.includes(message)).map(chatMessage),
      maxOutputTokens: typeof body.max_tokens === 'number' ? body.max_tokens : null,
    };
  },
  answer({ text: answerText, finish = 'stop', toolCalls, usage = defaultUsage }, model) {
    return {
      id: 'chatcmpl-01',
      object: 'chat.completion',
      created: 1_780_000_000,
      model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: answerText,
            ...(toolCalls && {
              tool_calls: toolCalls.map(({ id, name, input }) => ({
                id,
                type: 'function',
                function: { name, arguments: typeof input === 'string' ? input : JSON.stringify(input) },
              })),
            }),
          },
          finish_reason: toolCalls
            ? 'tool_calls'
            : { stop: 'stop', length: 'length', refused: 'content_filter' }[finish],
        },
      ],
      ...(usage && {
        usage: {
          prompt_tokens: usage.inputTokens,
          completion_tokens: usage.outputTokens,
          total_tokens: usage.inputTokens + usage.outputTokens,
          prompt_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0 },
          completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
        },
      }),
    };
  },
  error: (_status, type, message) => ({ error: { message, type, param: null, code: type } }),
  list: dataList,
};

export const wireProtocols: Readonly<Record<ModelProtocol, WireProtocol>> = {
  anthropic,
  openai,
  google,
  'openai-compatible': chatCompletions,
  ollama: { ...chatCompletions, basePath: '/ollama/v1' },
};

function dataList(models: readonly string[]): Json {
  return { object: 'list', data: models.map((id) => ({ id, object: 'model' })) };
}

function bearer(headers: IncomingHttpHeaders): string | null {
  const match = /^Bearer (.+)$/.exec(headers.authorization ?? '');
  return match?.[1] ?? null;
}

function headerText(value: string | readonly string[] | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function turn(role: unknown, content: unknown): PromptOnTheWire['messages'][number] {
  demand(role === 'user' || role === 'assistant', `messages: unexpected role ${String(role)}`);
  const turnText = partsText(content, 'messages');
  demand(turnText.trim() !== '', 'messages: text content blocks must be non-empty');
  return { role: role === 'user' ? 'user' : 'assistant', content: turnText };
}

/** https://platform.openai.com/docs/api-reference/chat/create: calls and results name each other. */
function chatMessage(
  message: Json,
  index: number,
  messages: readonly Json[],
): PromptOnTheWire['messages'][number] {
  if (message.role === 'tool') {
    const id = text(message.tool_call_id, 'tool_call_id');
    const asked = messages
      .slice(0, index)
      .flatMap(({ tool_calls: calls }) => (Array.isArray(calls) ? (calls as readonly Json[]) : []));
    demand(
      asked.some((call) => call.id === id),
      `tool_call_id ${id} of "messages" was not asked for`,
    );
    return { role: 'tool', content: partsText(message.content, 'messages'), toolCallId: id };
  }
  if (message.role !== 'assistant' || message.tool_calls === undefined) {
    return turn(message.role, message.content);
  }
  const toolCalls = list(message.tool_calls, 'tool_calls').map((call) => {
    const { name, arguments: input } = call.function as Json;
    const id = text(call.id, 'tool_calls.id');
    demand(
      messages.slice(index).some(({ tool_call_id: answered }) => answered === id),
      `tool_calls must be followed by tool messages: ${id} was not`,
    );
    return { id, name: text(name, 'tool_calls.name'), input: JSON.parse(String(input)) as Json };
  });
  return { role: 'assistant', content: String(message.content ?? ''), toolCalls };
}

function partsText(content: unknown, field: string): string {
  if (typeof content === 'string') return content;
  return list(content, field)
    .map((part) => text(part.text, field))
    .join('\n');
}

function list(value: unknown, field: string): readonly Json[] {
  demand(Array.isArray(value) && value.length > 0, `${field}: at least one element is required`);
  return value as readonly Json[];
}

function text(value: unknown, field: string): string {
  demand(typeof value === 'string' && value !== '', `${field}: a string is required`);
  return value as string;
}

function demand(condition: boolean, problem: string): void {
  if (!condition) throw new Error(problem);
}
