import {
  bearer,
  dataList,
  defaultUsage,
  demand,
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

const reasons = { stop: 'stop', length: 'length', refused: 'content_filter' } as const;

/** https://platform.openai.com/docs/api-reference/chat: what compatible servers and Ollama speak. */
export const chatCompletions: WireProtocol = {
  basePath: '/openai-compatible/v1',
  generatePath: /^\/chat\/completions$/,
  keyRequired: false,
  streamType: 'text/event-stream',
  key: bearer,
  read(body) {
    const messages = list(body.messages, 'messages');
    const system = messages.filter((message) => message.role === 'system' || message.role === 'developer');
    const limit = body.max_tokens ?? body.max_completion_tokens;
    return {
      model: text(body.model, 'model'),
      system: system.map((message) => partsText(message.content, 'messages')).join('\n'),
      messages: matched(messages.filter((message) => !system.includes(message)).map(readMessage)),
      maxOutputTokens: typeof limit === 'number' ? limit : null,
      tools: optionalList(body.tools).map((tool) => text((tool.function as Json).name, 'tools.name')),
    };
  },
  answer(answer, model) {
    const { text: answerText, toolCalls } = answer;
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
            ...(toolCalls && { tool_calls: toolCalls.map(toCall) }),
          },
          finish_reason: toolCalls ? 'tool_calls' : reasons[answer.finish ?? 'stop'],
        },
      ],
      ...usageOf(answer),
    };
  },
  stream(answer, model, body) {
    const { toolCalls, finish = 'stop' } = answer;
    const chunk = (choices: readonly Json[], more: Json = {}) =>
      sse({
        id: 'chatcmpl-01',
        object: 'chat.completion.chunk',
        created: 1_780_000_000,
        model,
        choices,
        ...more,
      });
    const delta = (value: Json, finish_reason: string | null = null) => [
      { index: 0, delta: value, finish_reason },
    ];
    const asksUsage = (body.stream_options as Json | undefined)?.include_usage === true;
    return {
      head: [chunk(delta({ role: 'assistant', content: '' }))],
      text: (piece) => chunk(delta({ content: piece })),
      tail: [
        ...(toolCalls ?? []).flatMap((call, index) => {
          const written = inputText(call);
          const more = (part: string) =>
            chunk(delta({ tool_calls: [{ index, function: { arguments: part } }] }));
          const begun = {
            index,
            id: call.id,
            type: 'function',
            function: { name: call.name, arguments: '' },
          };
          return [chunk(delta({ tool_calls: [begun] })), more(written.slice(0, 4)), more(written.slice(4))];
        }),
        chunk(delta({}, toolCalls ? 'tool_calls' : reasons[finish])),
        ...(asksUsage ? [chunk([], usageOf(answer))] : []),
        sse('[DONE]'),
      ],
      error: (type) => sse({ error: { message: 'something failed', type, param: null, code: type } }),
    };
  },
  error: (_status, type, message) => ({ error: { message, type, param: null, code: type } }),
  list: dataList,
};

/** Servers of open models, whose chat templates take one system message, at the beginning. */
export const openModelServer: WireProtocol = {
  ...chatCompletions,
  read(body, pathModel, headers) {
    const roles = list(body.messages, 'messages').map(({ role }) => role);
    demand(roles.lastIndexOf('system') <= 0, 'messages: one system message, at the beginning');
    return chatCompletions.read(body, pathModel, headers);
  },
};

/** https://docs.mistral.ai/api/: the same with ids of nine characters, usage in the last piece, errors of its own. */
export const mistral: WireProtocol = {
  ...chatCompletions,
  basePath: '/mistral/v1',
  keyRequired: true,
  read(body, pathModel, headers) {
    const prompt = chatCompletions.read(body, pathModel, headers);
    for (const { id } of prompt.messages.flatMap(({ toolCalls = [] }) => toolCalls)) {
      demand(
        /^[a-zA-Z0-9]{9}$/.test(id),
        `Tool call id was ${id} but must be a-z, A-Z, 0-9, with a length of 9.`,
      );
    }
    for (const [index, { role }] of prompt.messages.entries()) {
      const isAfterTool = prompt.messages[index - 1]?.role === 'tool';
      demand(!(isAfterTool && role === 'user'), "Unexpected role 'user' after role 'tool'");
    }
    return prompt;
  },
  stream(answer, model, body) {
    const stream = chatCompletions.stream(answer, model, body);
    const { toolCalls, finish = 'stop' } = answer;
    const chunk = (delta: Json, finish_reason: string | null, more: Json = {}) =>
      sse({
        id: 'cmpl-01',
        object: 'chat.completion.chunk',
        created: 1,
        model,
        choices: [{ index: 0, delta, finish_reason }],
        ...more,
      });
    const calls = (toolCalls ?? []).map((call, index) => ({ ...toCall(call), index }));
    return {
      ...stream,
      tail: [
        ...(calls.length > 0 ? [chunk({ role: 'assistant', content: '', tool_calls: calls }, null)] : []),
        chunk({ content: '' }, toolCalls ? 'tool_calls' : reasons[finish], usageOf(answer)),
        sse('[DONE]'),
      ],
    };
  },
  error: (status, type, message) => ({ object: 'error', message, type, param: null, code: String(status) }),
};

function usageOf({ usage = defaultUsage, rawUsage }: ModelAnswer): Json {
  if (rawUsage !== undefined) return { usage: rawUsage };
  if (usage === null) return {};
  return {
    usage: {
      prompt_tokens: usage.inputTokens,
      completion_tokens: usage.outputTokens,
      total_tokens: usage.inputTokens + usage.outputTokens,
      prompt_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0 },
      completion_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    },
  };
}

function toCall(call: NonNullable<ModelAnswer['toolCalls']>[number]) {
  return { id: call.id, type: 'function', function: { name: call.name, arguments: inputText(call) } };
}

/** https://platform.openai.com/docs/api-reference/chat/create: calls and results name each other. */
function readMessage(message: Json): MessageOnTheWire {
  if (message.role === 'tool') {
    const toolCallId = text(message.tool_call_id, 'tool_call_id');
    return { role: 'tool', content: partsText(message.content, 'messages'), toolCallId };
  }
  if (message.role !== 'assistant' || message.tool_calls === undefined || message.tool_calls === null) {
    return turn(message.role, message.content);
  }
  const toolCalls = list(message.tool_calls, 'tool_calls').map((call) => {
    const { name, arguments: input } = call.function as Json;
    return {
      id: text(call.id, 'tool_calls.id'),
      name: text(name, 'tool_calls.name'),
      input: JSON.parse(String(input)) as Json,
    };
  });
  return { role: 'assistant', content: String(message.content ?? ''), toolCalls };
}
