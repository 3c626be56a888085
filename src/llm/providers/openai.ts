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
