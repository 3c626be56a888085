import { completeBaseUrl } from '../complete-base-url.ts';
import type { Provider } from '../provider.ts';
import { openai } from './openai.ts';

/**
 * OpenAI's models on Azure, through the v1 API, which speaks OpenAI's own protocol and takes Azure's key as a bearer:
 * https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle. The model is the name of the deployment;
 * the address is that of the resource (`https://acme.openai.azure.com`).
 */
export const azure: Provider = {
  ...openai,
  name: 'azure',
  keyVariable: 'AZURE_API_KEY',
  baseUrlVariable: 'AZURE_BASE_URL',
  defaultBaseUrl: null,
  defaultModel: null,
  // Deployments have names of their own, which most people take from the model.
  accepts: (model) => (/gpt-(4o|4\.1|5)/.test(model) ? ['image', 'pdf'] : []),
  // It lists models, and a route names deployments.
  tells: 'key',
  completeBaseUrl: (baseUrl) =>
    completeBaseUrl(baseUrl.replace(/\/+$/, '').replace(/\/openai$/, ''), '/openai/v1'),
};
