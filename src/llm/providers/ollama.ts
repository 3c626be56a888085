import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';
import { openaiCompatible } from './openai-compatible.ts';

/** Ollama through its OpenAI-compatible endpoint: https://docs.ollama.com/api/openai-compatibility */
export const ollama: Provider = {
  ...openaiCompatible,
  name: 'ollama',
  baseUrlVariable: 'OLLAMA_BASE_URL',
  defaultBaseUrl: 'http://127.0.0.1:11434/v1',
  defaultModel: 'llama3.2',
  completeBaseUrl: (baseUrl) => completeBaseUrl(baseUrl.replace(/\/api\/*$/, ''), '/v1'),
};
