import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';
import { shortCallId } from '../to-prompt.ts';

/** Mistral's chat completions: https://docs.mistral.ai/api/ */
export const mistral: Provider = {
  name: 'mistral',
  keyVariable: 'MISTRAL_API_KEY',
  baseUrlVariable: 'MISTRAL_BASE_URL',
  defaultBaseUrl: 'https://api.mistral.ai/v1',
  defaultModel: 'mistral-large-latest',
  needsKey: true,
  completeBaseUrl: (baseUrl) => completeBaseUrl(baseUrl, '/v1'),
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey ?? ''}` }),
  // https://docs.mistral.ai/capabilities/vision/
  accepts: (model) =>
    /pixtral|(small|medium|large|ministral|magistral).*-(latest|2[5-9]\d\d)$/.test(model) ? ['image'] : [],
  promptStyle: () => ({ oneSystemMessage: true, bridgesTools: true, toolCallId: shortCallId }),
  async openModel({ model, baseUrl, apiKey }, { fetch }) {
    const { createMistral } = await import('@ai-sdk/mistral');
    return createMistral({ apiKey: apiKey ?? '', baseURL: baseUrl, fetch })(model);
  },
};
