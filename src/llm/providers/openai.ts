import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';

/**
 * OpenAI's Responses API (https://platform.openai.com/docs/api-reference/responses), or chat completions where an entry
 * says `api: chat`.
 *
 * `store: false`, because OpenAI otherwise keeps what was said for 30 days.
 */
export const openai: Provider = {
  name: 'openai',
  keyVariable: 'OPENAI_API_KEY',
  baseUrlVariable: 'OPENAI_BASE_URL',
  defaultBaseUrl: 'https://api.openai.com/v1',
  defaultModel: 'gpt-5.4',
  needsKey: true,
  // OpenAI's own clients take the address as it is; only a bare host is certain to lack the version.
  completeBaseUrl: (baseUrl) =>
    new URL(baseUrl).pathname === '/' ? completeBaseUrl(baseUrl, '/v1') : baseUrl.replace(/\/+$/, ''),
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey ?? ''}` }),
  accepts: (model) => (WITHOUT_FILES.test(model) ? [] : ['image', 'pdf']),
  // https://platform.openai.com/docs/guides/images-vision: 8 tiles of 5,667 and 2,833 around them; 10,000 patches times 2.46.
  maxImageTokens: (model) => (/gpt-4o-mini/.test(model) ? 48_200 : 24_600),
  callOptions: ({ cacheKey }) => ({
    // A schema that is not of OpenAI's strict kind would be refused; the pool checks the answer itself.
    openai: {
      store: false,
      strictJsonSchema: false,
      ...(cacheKey === null ? {} : { promptCacheKey: cacheKey }),
    },
  }),
  async openModel({ model, api, baseUrl, apiKey }, { fetch }) {
    const { createOpenAI } = await import('@ai-sdk/openai');
    const client = createOpenAI({ apiKey: apiKey ?? '', baseURL: baseUrl, fetch });
    return api === 'chat' ? client.chat(model) : client.responses(model);
  },
};

/** Text only: https://platform.openai.com/docs/models */
const WITHOUT_FILES = /^(gpt-3|gpt-4$|gpt-4-(0|32k)|o1-mini|o1-preview|o3-mini|text-|gpt-oss)/;
