import {
  defaultUsage,
  demand,
  headerText,
  inputObject,
  type Json,
  list,
  type MessageOnTheWire,
  type ModelAnswer,
  optionalList,
  partsText,
  sse,
  text,
  turn,
  type WireProtocol,
} from './wire-protocol.ts';

/** https://ai.google.dev/api/generate-content */
export const google: WireProtocol = {
  basePath: '/google/v1beta',
  generatePath: /^\/models\/(?<model>[^/:]+):(?:generateContent|(?<stream>streamGenerateContent))$/,
  keyRequired: true,
  keyRefusal: {
    status: 400,
    type: 'INVALID_ARGUMENT',
    details: [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID' }],
  },
  streamType: 'text/event-stream',
  key: (headers) => headerText(headers['x-goog-api-key']),
  read(body, pathModel) {
    const limit = (body.generationConfig as Json | undefined)?.maxOutputTokens;
    const system = (body.systemInstruction as Json | undefined)?.parts;
    return {
      model: text(pathModel, 'model'),
      system: system === undefined ? '' : partsText(system, 'systemInstruction'),
      messages: list(body.contents, 'contents').flatMap(readContent),
      maxOutputTokens: typeof limit === 'number' ? limit : null,
      tools: optionalList(body.tools)
        .flatMap(({ functionDeclarations }) => optionalList(functionDeclarations))
        .map(({ name }) => text(name, 'functionDeclarations.name')),
    };
  },
  answer: (answer, model) => chunk(answer, model, [...textParts(answer.text), ...callParts(answer)], true),
  stream(answer, model) {
    return {
      head: [],
      text: (piece) => sse(chunk({ text: '', usage: null }, model, textParts(piece), false)),
      tail: [sse(chunk(answer, model, callParts(answer), true))],
      error: (type) => sse({ error: { code: 503, message: 'something failed', status: type } }),
    };
  },
  error: (status, type, message, details) => ({
    error: { code: status, message, status: type, ...(details && { details }) },
  }),
  list: (models) => ({ models: models.map((name) => ({ name: `models/${name}` })) }),
};

function textParts(answerText: string): readonly Json[] {
  return answerText === '' ? [] : [{ text: answerText }];
}

function callParts({ toolCalls = [] }: ModelAnswer): readonly Json[] {
  return toolCalls.map((call, index) => ({
    functionCall: { id: call.id, name: call.name, args: inputObject(call) },
    ...(index === 0 ? { thoughtSignature: 'c2lnbmVk' } : {}),
  }));
}

function chunk(
  { finish = 'stop', usage = defaultUsage, rawUsage }: ModelAnswer,
  model: string,
  parts: readonly Json[],
  isLast: boolean,
): Json {
  return {
    candidates: [
      {
        index: 0,
        content: { role: 'model', ...(parts.length === 0 ? {} : { parts }) },
        ...(isLast
          ? { finishReason: { stop: 'STOP', length: 'MAX_TOKENS', refused: 'SAFETY' }[finish] }
          : {}),
      },
    ],
    modelVersion: model,
    ...(usage && {
      usageMetadata: rawUsage ?? {
        promptTokenCount: usage.inputTokens,
        candidatesTokenCount: usage.outputTokens - (usage.reasoningTokens ?? 0),
        cachedContentTokenCount: usage.cachedInputTokens ?? 0,
        thoughtsTokenCount: usage.reasoningTokens ?? 0,
        totalTokenCount: usage.inputTokens + usage.outputTokens,
      },
    }),
  };
}

/** Calls and results are told apart by their order and name; ids are not always there. */
function readContent({ role, parts }: Json): readonly MessageOnTheWire[] {
  const all = list(parts, 'contents');
  const calls = all.filter(({ functionCall }) => functionCall !== undefined);
  const results = all.filter(({ functionResponse }) => functionResponse !== undefined);
  if (results.length > 0) {
    return results.map(({ functionResponse }) => {
      const { id, name, response } = functionResponse as Json;
      return { role: 'tool', content: JSON.stringify(response), toolCallId: String(id ?? name) };
    });
  }
  if (calls.length === 0) return [turn(role === 'model' ? 'assistant' : role, parts)];
  demand(
    calls[0]?.thoughtSignature !== undefined,
    'Function call is missing a thought_signature in functionCall parts',
  );
  return [
    {
      role: 'assistant',
      content: all.map((part) => (typeof part.text === 'string' ? part.text : '')).join(''),
      toolCalls: calls.map(({ functionCall }) => {
        const { id, name, args } = functionCall as Json;
        return { id: String(id ?? name), name: text(name, 'functionCall.name'), input: args as Json };
      }),
    },
  ];
}
