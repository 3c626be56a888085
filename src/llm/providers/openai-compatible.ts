import type { Provider } from '../provider.ts';

/**
 * Any server that speaks OpenAI's chat completions (vLLM, LM Studio, LiteLLM, …):
 * https://platform.openai.com/docs/api-reference/chat. Address and key stand in the route entry.
 */
export const openaiCompatible: Provider = {
  name: 'openai-compatible',
  keyVariable: null,
  baseUrlVariable: null,
  defaultBaseUrl: null,
  defaultModel: null,
  needsKey: false,
  // Chat templates of many open models take one system message, at the beginning.
  promptStyle: (model) => ({
    oneSystemMessage: true,
    ...(MISTRAL.test(model) ? { bridgesTools: true } : {}),
  }),
  // Servers do not tell; a route entry can (`accepts`).
  accepts: (model) => (LOOKING.test(model) ? ['image'] : []),
  completeBaseUrl: (baseUrl) => baseUrl.replace(/\/+$/, ''),
  authHeaders: (apiKey) => (apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
  async openModel({ model, baseUrl, apiKey, provider }, { fetch }) {
    const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
    const settings = {
      name: provider.name,
      baseURL: baseUrl,
      fetch,
      includeUsage: true,
      supportsStructuredOutputs: true,
    };
    return createOpenAICompatible(apiKey === null ? settings : { ...settings, apiKey })(model);
  },
};

/** What open models that look at pictures are called, and those that gateways pass on. */
const LOOKING =
  /llava|vision|pixtral|moondream|minicpm-v|[-_]vl\b|\d\.?\d?vl\b|gemma-?[34]|llama-?4|gemini|claude-(?!2|instant)|gpt-(4o|4\.1|5)/i;

/** Mistral's models keep its order of roles wherever they run (400 `invalid_request_message_order`). */
const MISTRAL = /mi[sx]tral|devstral|codestral|ministral|magistral/i;
