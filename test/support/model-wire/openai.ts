import {
  bearer,
  dataList,
  defaultUsage,
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

/** https://platform.openai.com/docs/api-reference/responses, /responses-streaming */
export const openai: WireProtocol = {
  basePath: '/openai/v1',
  generatePath: /^\/responses$/,
  keyRequired: true,
  streamType: 'text/event-stream; charset=utf-8',
  key: bearer,
  read(body) {
    const input = list(body.input, 'input');
    const system = input.filter((item) => item.role === 'system' || item.role === 'developer');
    const messages = input.filter((item) => !system.includes(item)).flatMap(readItem);
    return {
      model: text(body.model, 'model'),
      system: system.map((item) => partsText(item.content, 'input')).join('\n'),
      messages: matched(joinCalls(messages)),
      maxOutputTokens: typeof body.max_output_tokens === 'number' ? body.max_output_tokens : null,
      tools: optionalList(body.tools).map(({ name }) => text(name, 'tools.name')),
    };
  },
  answer: (answer, model) => ({ ...responseOf(answer, model), output: outputOf(answer) }),
  stream(answer, model) {
    const event = (data: Json) => sse(data, String(data.type));
    const { toolCalls = [], finish = 'stop' } = answer;
    const item = { type: 'message', id: 'item_01', role: 'assistant', status: 'in_progress', content: [] };
    const begun = {
      ...responseOf(answer, model),
      status: 'in_progress',
      incomplete_details: null,
      usage: null,
      output: [],
    };
    const output = outputOf(answer);
    const done = finish === 'length' ? 'response.incomplete' : 'response.completed';
    const refusal = finish === 'refused' ? 'response.refusal.delta' : 'response.output_text.delta';
    return {
      head: [
        event({ type: 'response.created', response: begun }),
        event({ type: 'response.output_item.added', output_index: 0, item }),
      ],
      text: (piece) =>
        event({
          type: refusal,
          item_id: 'item_01',
          output_index: 0,
          content_index: 0,
          delta: piece,
          logprobs: [],
        }),
      tail: [
        event({ type: 'response.output_item.done', output_index: 0, item: { ...item, ...output[0] } }),
        ...toolCalls.flatMap((call, position) => {
          const output_index = position + 1;
          const added = callItem(call, position);
          const { id: item_id } = added;
          return [
            event({
              type: 'response.output_item.added',
              output_index,
              item: { ...added, arguments: '', status: 'in_progress' },
            }),
            event({
              type: 'response.function_call_arguments.delta',
              item_id,
              output_index,
              delta: inputText(call),
            }),
            event({
              type: 'response.function_call_arguments.done',
              item_id,
              output_index,
              arguments: inputText(call),
            }),
            event({ type: 'response.output_item.done', output_index, item: added }),
          ];
        }),
        event({ type: done, response: { ...responseOf(answer, model), output } }),
      ],
      error: (type) =>
        event({ type: 'error', sequence_number: 9, code: type, message: 'something failed', param: null }),
    };
  },
  error: (_status, type, message) => ({
    error: { message, type: spentCodes.has(type) ? 'insufficient_quota' : type, param: null, code: type },
  }),
  list: dataList,
};

/** The same, with a filter of its own: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter */
export const azure: WireProtocol = {
  ...openai,
  basePath: '/azure/openai/v1',
  error(status, type, message) {
    if (type !== 'content_filter') return openai.error(status, type, message);
    const innererror = {
      code: 'ResponsibleAIPolicyViolation',
      content_filter_result: {
        hate: { filtered: false, severity: 'safe' },
        jailbreak: { filtered: false, detected: false },
        self_harm: { filtered: false, severity: 'safe' },
        sexual: { filtered: false, severity: 'safe' },
        violence: { filtered: true, severity: 'high' },
      },
    };
    return { error: { message, type: null, param: 'prompt', code: type, status, innererror } };
  },
};

/** https://platform.openai.com/docs/guides/error-codes: what `code` says of an account without money. */
const spentCodes: ReadonlySet<string> = new Set([
  'credit_balance_exhausted',
  'organization_spend_limit_exceeded',
  'organization_usage_limit_exceeded',
  'project_spend_limit_exceeded',
]);

function responseOf({ finish = 'stop', usage = defaultUsage, rawUsage }: ModelAnswer, model: string): Json {
  return {
    id: 'resp_01',
    object: 'response',
    created_at: 1_780_000_000,
    model,
    status: finish === 'length' ? 'incomplete' : 'completed',
    incomplete_details: finish === 'length' ? { reason: 'max_output_tokens' } : null,
    usage:
      usage &&
      (rawUsage ?? {
        input_tokens: usage.inputTokens,
        input_tokens_details: { cached_tokens: usage.cachedInputTokens ?? 0 },
        output_tokens: usage.outputTokens,
        output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
        total_tokens: usage.inputTokens + usage.outputTokens,
      }),
  };
}

function outputOf({ text: answerText, finish = 'stop', toolCalls = [] }: ModelAnswer): readonly Json[] {
  const part =
    finish === 'refused'
      ? { type: 'refusal', refusal: answerText }
      : { type: 'output_text', text: answerText, annotations: [] };
  return [
    { type: 'message', id: 'item_01', role: 'assistant', status: 'completed', content: [part] },
    ...toolCalls.map(callItem),
  ];
}

function callItem(call: NonNullable<ModelAnswer['toolCalls']>[number], position: number) {
  return {
    type: 'function_call',
    id: `fc_${position}`,
    call_id: call.id,
    name: call.name,
    arguments: inputText(call),
    status: 'completed',
  };
}

function readItem(item: Json): readonly MessageOnTheWire[] {
  if (item.type === 'function_call') {
    const id = text(item.call_id, 'call_id');
    const input = JSON.parse(text(item.arguments, 'arguments')) as Json;
    return [{ role: 'assistant', content: '', toolCalls: [{ id, name: text(item.name, 'name'), input }] }];
  }
  if (item.type === 'function_call_output') {
    return [
      { role: 'tool', content: partsText(item.output, 'output'), toolCallId: text(item.call_id, 'call_id') },
    ];
  }
  return [turn(item.role, item.content)];
}

/** Every call is an item of its own; elsewhere they stand with what was said before them. */
function joinCalls(messages: readonly MessageOnTheWire[]): readonly MessageOnTheWire[] {
  const joined: MessageOnTheWire[] = [];
  for (const message of messages) {
    const before = joined.at(-1);
    if (message.toolCalls !== undefined && before?.role === 'assistant') {
      const toolCalls = [...(before.toolCalls ?? []), ...message.toolCalls];
      joined[joined.length - 1] = { ...before, toolCalls };
    } else {
      joined.push(message);
    }
  }
  return joined;
}
