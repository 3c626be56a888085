import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';
import { openaiCompatible } from './openai-compatible.ts';

/** Groq, which speaks OpenAI's chat completions: https://console.groq.com/docs/openai */
export const groq: Provider = {
  ...openaiCompatible,
  name: 'groq',
  keyVariable: 'GROQ_API_KEY',
  baseUrlVariable: 'GROQ_BASE_URL',
  defaultBaseUrl: 'https://api.groq.com/openai/v1',
  defaultModel: 'llama-3.3-70b-versatile',
  needsKey: true,
  completeBaseUrl: (baseUrl) => completeBaseUrl(baseUrl, '/openai/v1'),
};
