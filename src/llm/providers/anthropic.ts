import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';

/** Anthropic's Messages API: https://platform.claude.com/docs/en/api/messages */
export const anthropic: Provider = {
  name: 'anthropic',
  keyVariable: 'ANTHROPIC_API_KEY',
  baseUrlVariable: 'ANTHROPIC_BASE_URL',
  defaultBaseUrl: 'https://api.anthropic.com/v1',
  defaultModel: 'claude-sonnet-4-5',
  needsKey: true,
  // https://platform.claude.com/docs/en/build-with-claude/vision: at most 4,784 tokens; PDFs are read page by page.
  accepts: (model) => (/claude-(2|instant)/.test(model) ? [] : ['image', 'pdf']),
  maxImageTokens: () => 5_000,
  promptStyle: () => style,
  completeBaseUrl: (baseUrl) => completeBaseUrl(baseUrl, '/v1'),
  // Otherwise the SDK writes the tools of a stream differently, and a cache that begins with them is missed whenever a
  // conversation goes from one way to the other.
  callOptions: () => ({ anthropic: { toolStreaming: false } }),
  authHeaders: (apiKey) => ({ 'x-api-key': apiKey ?? '', 'anthropic-version': '2023-06-01' }),
  async openModel({ model, baseUrl, apiKey }, { fetch }) {
    const { createAnthropic } = await import('@ai-sdk/anthropic');
    return createAnthropic({ apiKey: apiKey ?? '', baseURL: baseUrl, fetch })(model);
  },
};

/** https://platform.claude.com/docs/en/build-with-claude/prompt-caching: tools and what stands above the mark are kept. */
const style = { cacheMark: { anthropic: { cacheControl: { type: 'ephemeral' } } } };
