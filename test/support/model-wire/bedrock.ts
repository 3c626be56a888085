import { crc32 } from 'node:zlib';
import { filePart } from './file-part.ts';
import {
  bearer,
  dataList,
  defaultUsage,
  demand,
  inputObject,
  inputText,
  type Json,
  list,
  type MessageOnTheWire,
  type ModelAnswer,
  matched,
  optionalList,
  text,
  turn,
  type WireProtocol,
} from './wire-protocol.ts';

const reasons = { stop: 'end_turn', length: 'max_tokens', refused: 'content_filtered' } as const;

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html, …_ConverseStream.html */
export const bedrock: WireProtocol = {
  basePath: '/bedrock',
  generatePath: /^\/model\/(?<model>[^/]+)\/(?:converse|(?<stream>converse-stream))$/,
  keyRequired: true,
  keyRefusal: { status: 403, type: 'AccessDeniedException', details: [] },
  streamType: 'application/vnd.amazon.eventstream',
  key: bearer,
  read(body, pathModel) {
    const limit = (body.inferenceConfig as Json | undefined)?.maxTokens;
    const system = optionalList(body.system).filter((part) => part.text !== undefined);
    const toolConfig = body.toolConfig as Json | undefined;
    const tools = optionalList(toolConfig?.tools).flatMap(({ toolSpec }) =>
      toolSpec === undefined ? [] : [text((toolSpec as Json).name, 'toolSpec.name')],
    );
    const messages = matched(list(body.messages, 'messages').flatMap(readMessage));
    demand(
      tools.length > 0 || messages.every(({ toolCalls, role }) => toolCalls === undefined && role !== 'tool'),
      'The toolConfig field must be defined when using toolUse and toolResult content blocks.',
    );
    return {
      model: decodeURIComponent(text(pathModel, 'modelId')),
      system: system.map((part) => text(part.text, 'system')).join('\n'),
      messages,
      maxOutputTokens: typeof limit === 'number' ? limit : null,
      tools,
    };
  },
  answer(answer) {
    const { text: answerText, toolCalls = [], finish = 'stop' } = answer;
    return {
      output: {
        message: {
          role: 'assistant',
          content: [
            ...(answerText === '' ? [] : [{ text: answerText }]),
            ...toolCalls.map((call) => ({
              toolUse: { toolUseId: call.id, name: call.name, input: inputObject(call) },
            })),
          ],
        },
      },
      stopReason: toolCalls.length > 0 ? 'tool_use' : reasons[finish],
      ...usageOf(answer),
      metrics: { latencyMs: 1 },
    };
  },
  stream(answer) {
    const { toolCalls = [], finish = 'stop' } = answer;
    return {
      head: [event('messageStart', { role: 'assistant' })],
      text: (piece) => event('contentBlockDelta', { contentBlockIndex: 0, delta: { text: piece } }),
      tail: [
        event('contentBlockStop', { contentBlockIndex: 0 }),
        ...toolCalls.flatMap((call, position) => {
          const contentBlockIndex = position + 1;
          const start = { toolUse: { toolUseId: call.id, name: call.name } };
          return [
            event('contentBlockStart', { contentBlockIndex, start }),
            event('contentBlockDelta', { contentBlockIndex, delta: { toolUse: { input: inputText(call) } } }),
            event('contentBlockStop', { contentBlockIndex }),
          ];
        }),
        event('messageStop', { stopReason: toolCalls.length > 0 ? 'tool_use' : reasons[finish] }),
        event('metadata', { ...usageOf(answer), metrics: { latencyMs: 1 } }),
      ],
      error: (type) =>
        frame(
          { ':message-type': 'exception', ':exception-type': type, ':content-type': 'application/json' },
          { message: 'something failed' },
        ),
    };
  },
  error: (_status, _type, message) => ({ message }),
  errorHeaders: (type) => ({ 'x-amzn-errortype': type }),
  list: dataList,
};

function usageOf({ usage = defaultUsage, rawUsage }: ModelAnswer): Json {
  if (rawUsage !== undefined) return { usage: rawUsage };
  if (usage === null) return {};
  const cached = usage.cachedInputTokens ?? 0;
  const written = usage.cacheWriteTokens ?? 0;
  return {
    usage: {
      inputTokens: usage.inputTokens - cached - written,
      outputTokens: usage.outputTokens,
      totalTokens: usage.inputTokens + usage.outputTokens,
      cacheReadInputTokens: cached,
      cacheWriteInputTokens: written,
    },
  };
}

function readMessage({ role, content }: Json): readonly MessageOnTheWire[] {
  const parts = list(content, 'content').filter(({ cachePoint }) => cachePoint === undefined);
  const results = parts.flatMap(({ toolResult }) => (toolResult === undefined ? [] : [toolResult as Json]));
  const calls = parts.flatMap(({ toolUse }) => (toolUse === undefined ? [] : [toolUse as Json]));
  const words = parts.filter((part) => part.text !== undefined || filePart(part) !== null);
  if (results.length + calls.length === 0) return [turn(role, words)];
  if (results.length > 0) {
    return [
      ...results.map((result) => ({
        role: 'tool' as const,
        content: list(result.content, 'toolResult')
          .map((part) => text(part.text, 'toolResult'))
          .join('\n'),
        toolCallId: text(result.toolUseId, 'toolUseId'),
      })),
      ...(words.length === 0 ? [] : [turn(role, words)]),
    ];
  }
  return [
    {
      role: 'assistant',
      content: words.map((part) => filePart(part) ?? text(part.text, 'content')).join('\n'),
      toolCalls: calls.map(({ toolUseId, name, input }) => {
        demand(/^[a-zA-Z0-9_-]{1,64}$/.test(String(toolUseId)), 'toolUseId: [a-zA-Z0-9_-]+, at most 64');
        return { id: String(toolUseId), name: text(name, 'toolUse.name'), input: input as Json };
      }),
    },
  ];
}

function event(type: string, payload: Json): Buffer {
  return frame(
    { ':message-type': 'event', ':event-type': type, ':content-type': 'application/json' },
    payload,
  );
}

/** One message of an AWS event stream: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html */
function frame(headers: Readonly<Record<string, string>>, payload: Json): Buffer {
  const head = Buffer.concat(
    Object.entries(headers).map(([name, value]) => {
      const size = Buffer.alloc(2);
      size.writeUInt16BE(Buffer.byteLength(value));
      return Buffer.concat([
        Buffer.of(name.length),
        Buffer.from(name),
        Buffer.of(7),
        size,
        Buffer.from(value),
      ]);
    }),
  );
  const body = Buffer.from(JSON.stringify(payload));
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(16 + head.length + body.length, 0);
  prelude.writeUInt32BE(head.length, 4);
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8);
  const message = Buffer.concat([prelude, head, body]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32BE(crc32(message));
  return Buffer.concat([message, checksum]);
}
