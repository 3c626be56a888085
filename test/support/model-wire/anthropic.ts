import { filePart } from './file-part.ts';
import {
  dataList,
  defaultUsage,
  demand,
  headerText,
  inputObject,
  inputText,
  type Json,
  list,
  type MessageOnTheWire,
  type ModelAnswer,
  matched,
  optionalList,
  partsText,
  sse,
  text,
  turn,
  type WireProtocol,
} from './wire-protocol.ts';

const reasons = { stop: 'end_turn', length: 'max_tokens', refused: 'refusal' } as const;

/** https://platform.claude.com/docs/en/api/messages, /en/build-with-claude/streaming */
export const anthropic: WireProtocol = {
  basePath: '/anthropic/v1',
  generatePath: /^\/messages$/,
  keyRequired: true,
  streamType: 'text/event-stream; charset=utf-8',
  key: (headers) => headerText(headers['x-api-key']),
  read(body, _pathModel, headers) {
    demand(headers['anthropic-version'] === '2023-06-01', 'anthropic-version: header is required');
    demand(typeof body.max_tokens === 'number', 'max_tokens: field required');
    const messages = list(body.messages, 'messages').flatMap(readMessage);
    const tools = optionalList(body.tools).map(({ name }) => text(name, 'tools.name'));
    demand(
      tools.length > 0 || messages.every(({ toolCalls, role }) => toolCalls === undefined && role !== 'tool'),
      'tools: required where messages have tool_use or tool_result',
    );
    return {
      model: text(body.model, 'model'),
      system: body.system === undefined ? '' : partsText(body.system, 'system'),
      messages: matched(messages),
      maxOutputTokens: Number(body.max_tokens),
      tools,
    };
  },
  answer(answer, model) {
    const { text: answerText, toolCalls = [], finish = 'stop' } = answer;
    return {
      id: 'msg_01',
      type: 'message',
      role: 'assistant',
      model,
      content: [
        ...(answerText === '' ? [] : [{ type: 'text', text: answerText }]),
        ...toolCalls.map((call) => ({
          type: 'tool_use',
          id: call.id,
          name: call.name,
          input: inputObject(call),
        })),
      ],
      stop_reason: toolCalls.length > 0 ? 'tool_use' : reasons[finish],
      stop_sequence: null,
      usage: usageOf(answer),
    };
  },
  stream(answer, model) {
    const { toolCalls = [], finish = 'stop' } = answer;
    const event = (data: Json) => sse(data, String(data.type));
    const usage = usageOf(answer);
    const calls = toolCalls.flatMap((call, position) => {
      const index = position + 1;
      const written = inputText(call);
      const block = { type: 'tool_use', id: call.id, name: call.name, input: {} };
      const part = (json: string) =>
        event({
          type: 'content_block_delta',
          index,
          delta: { type: 'input_json_delta', partial_json: json },
        });
      return [
        event({ type: 'content_block_start', index, content_block: block }),
        part(written.slice(0, 5)),
        part(written.slice(5)),
        event({ type: 'content_block_stop', index }),
      ];
    });
    return {
      head: [
        event({
          type: 'message_start',
          message: {
            id: 'msg_01',
            type: 'message',
            role: 'assistant',
            model,
            content: [],
            stop_reason: null,
            stop_sequence: null,
            usage: { ...usage, output_tokens: 1 },
          },
        }),
        event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
        event({ type: 'ping' }),
      ],
      text: (piece) =>
        event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } }),
      tail: [
        event({ type: 'content_block_stop', index: 0 }),
        ...calls,
        event({
          type: 'message_delta',
          delta: { stop_reason: toolCalls.length > 0 ? 'tool_use' : reasons[finish], stop_sequence: null },
          usage,
        }),
        event({ type: 'message_stop' }),
      ],
      error: (type) => event({ type: 'error', error: { type, message: 'something failed' } }),
    };
  },
  error: (_status, type, message) => ({ type: 'error', error: { type, message }, request_id: 'req_01' }),
  list: dataList,
};

function usageOf({ usage = defaultUsage, rawUsage }: ModelAnswer): Json {
  if (rawUsage !== undefined) return rawUsage;
  const tokens = usage ?? { inputTokens: 0, outputTokens: 0 };
  const cached = tokens.cachedInputTokens ?? 0;
  const written = tokens.cacheWriteTokens ?? 0;
  return {
    input_tokens: tokens.inputTokens - cached - written,
    output_tokens: tokens.outputTokens,
    cache_creation_input_tokens: written,
    cache_read_input_tokens: cached,
    ...(tokens.reasoningTokens === undefined
      ? {}
      : { output_tokens_details: { thinking_tokens: tokens.reasoningTokens } }),
  };
}

/** Results stand in a message of the user's, calls in one of the assistant's. */
function readMessage({ role, content }: Json): readonly MessageOnTheWire[] {
  const parts = Array.isArray(content) ? (content as readonly Json[]) : [];
  const results = parts.filter(({ type }) => type === 'tool_result');
  const calls = parts.filter(({ type }) => type === 'tool_use');
  const words = parts.filter((part) => part.type === 'text' || filePart(part) !== null);
  if (results.length + calls.length === 0) return [turn(role, content)];
  if (role === 'user') {
    return [
      ...results.map((part) => ({
        role: 'tool' as const,
        content: partsText(part.content, 'tool_result'),
        toolCallId: text(part.tool_use_id, 'tool_use_id'),
      })),
      ...(words.length === 0 ? [] : [turn(role, words)]),
    ];
  }
  return [
    {
      role: 'assistant',
      content: words.map((part) => filePart(part) ?? text(part.text, 'messages')).join('\n'),
      toolCalls: calls.map(({ id, name, input }) => {
        demand(typeof input === 'object' && input !== null, 'tool_use.input: an object is required');
        demand(/^[a-zA-Z0-9_-]+$/.test(String(id)), 'tool_use.id: does not match ^[a-zA-Z0-9_-]+$');
        return { id: text(id, 'tool_use.id'), name: text(name, 'tool_use.name'), input: input as Json };
      }),
    },
  ];
}
