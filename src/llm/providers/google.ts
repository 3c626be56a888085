import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';

/** Google's Gemini API: https://ai.google.dev/api/generate-content */
export const google: Provider = {
  name: 'google',
  keyVariable: 'GOOGLE_GENERATIVE_AI_API_KEY',
  baseUrlVariable: 'GOOGLE_GENERATIVE_AI_BASE_URL',
  defaultBaseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  defaultModel: 'gemini-3.5-flash',
  needsKey: true,
  completeBaseUrl: (baseUrl) => completeBaseUrl(baseUrl, '/v1beta'),
  authHeaders: (apiKey) => ({ 'x-goog-api-key': apiKey ?? '' }),
  // https://ai.google.dev/gemini-api/docs/media-resolution: 16 tiles of 258 tokens, or 2,240 where models count otherwise.
  accepts: (model) => (/gemini/.test(model) ? ['image', 'pdf'] : /gemma-(3|4)/.test(model) ? ['image'] : []),
  maxImageTokens: () => 5_000,
  async openModel({ model, baseUrl, apiKey }, { fetch }) {
    const { createGoogle } = await import('@ai-sdk/google');
    return createGoogle({ apiKey: apiKey ?? '', baseURL: baseUrl, fetch })(model);
  },
};
