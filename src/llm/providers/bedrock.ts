import type { PromptStyle, Provider } from '../provider.ts';

/**
 * Amazon Bedrock's Converse API with a Bedrock API key:
 * https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html. The region is part of the address.
 */
export const bedrock: Provider = {
  name: 'bedrock',
  keyVariable: 'AWS_BEARER_TOKEN_BEDROCK',
  baseUrlVariable: 'BEDROCK_BASE_URL',
  defaultBaseUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com',
  defaultModel: null,
  needsKey: true,
  tells: 'nothing',
  modelShape: {
    pattern: /^(arn:aws[\w-]*:bedrock:.+|[a-z0-9-]+\.[A-Za-z0-9.:_-]+)$/,
    example: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0',
  },
  completeBaseUrl: (baseUrl) => baseUrl.replace(/\/+$/, ''),
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey ?? ''}` }),
  accepts: (model) => (LOOKING.test(model) ? ['image', 'pdf'] : []),
  promptStyle: (model) => (CACHING.test(model) ? cachingStyle : {}),
  async openModel({ model, baseUrl, apiKey }, { fetch }) {
    const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
    return createAmazonBedrock({ apiKey: apiKey ?? '', baseURL: baseUrl, fetch })(model);
  },
};

/** Other models refuse a mark: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html */
const CACHING = /anthropic\.claude|amazon\.nova/;
const cachingStyle: PromptStyle = { cacheMark: { bedrock: { cachePoint: { type: 'default' } } } };

/** https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html */
const LOOKING = /anthropic\.claude-(?!v2|instant)|amazon\.nova-(?!micro|sonic|canvas|reel)/;
