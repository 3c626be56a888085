import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';
import { openaiCompatible } from './openai-compatible.ts';

/** OpenRouter, which speaks OpenAI's chat completions for many providers: https://openrouter.ai/docs/api-reference */
export const openrouter: Provider = {
  ...openaiCompatible,
  name: 'openrouter',
  keyVariable: 'OPENROUTER_API_KEY',
  baseUrlVariable: 'OPENROUTER_BASE_URL',
  defaultBaseUrl: 'https://openrouter.ai/api/v1',
  defaultModel: null,
  needsKey: true,
  modelShape: { pattern: /^[^/\s]+\/\S+$/, example: 'anthropic/claude-sonnet-4.5' },
  completeBaseUrl: (baseUrl) => completeBaseUrl(baseUrl, '/api/v1'),
};
