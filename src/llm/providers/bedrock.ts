import { awsKeyProblem, readAwsCredentials } from '../aws-credentials.ts';
import type { PromptStyle, Provider } from '../provider.ts';

const DEFAULT_REGION = 'us-east-1';

/**
 * Amazon Bedrock's Converse API, with a Bedrock API key
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html) or with AWS credentials, by which each request is
 * signed (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
 */
export const bedrock: Provider = {
  name: 'bedrock',
  keyVariable: 'AWS_BEARER_TOKEN_BEDROCK',
  moreKeyVariables: ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'],
  baseUrlVariable: 'BEDROCK_BASE_URL',
  defaultBaseUrl: addressOf(DEFAULT_REGION),
  regionalBaseUrl: addressOf,
  defaultModel: null,
  needsKey: true,
  keyProblem: awsKeyProblem,
  tells: 'nothing',
  modelShape: {
    pattern: /^(arn:aws[\w-]*:bedrock:.+|[a-z0-9-]+\.[A-Za-z0-9.:_-]+)$/,
    example: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0',
  },
  completeBaseUrl: (baseUrl) => baseUrl.replace(/\/+$/, ''),
  authHeaders: (apiKey) => ({ authorization: `Bearer ${apiKey ?? ''}` }),
  accepts: (model) => (LOOKING.test(model) ? ['image', 'pdf'] : []),
  promptStyle: (model) => (CACHING.test(model) ? { ...style, ...cacheMark } : style),
  async openModel({ model, baseUrl, apiKey, region }, { fetch }) {
    const { createAmazonBedrock } = await import('@ai-sdk/amazon-bedrock');
    const credentials = readAwsCredentials(apiKey ?? '');
    const access =
      credentials === null
        ? { apiKey: apiKey ?? '' }
        : // Empty, and not left out: the SDK would take the key from the environment, and it goes before credentials.
          { apiKey: '', ...credentials, region: signingRegion(baseUrl, model, region) };
    return createAmazonBedrock({ ...access, baseURL: baseUrl, fetch })(model);
  },
};

/** https://docs.aws.amazon.com/general/latest/gr/bedrock.html; partitions with names of their own are named here. */
function addressOf(region: string): string {
  const domain = region.startsWith('eusc-')
    ? 'amazonaws.eu'
    : region.startsWith('cn-')
      ? 'amazonaws.com.cn'
      : 'amazonaws.com';
  return `https://bedrock-runtime.${region}.${domain}`;
}

/**
 * A signature holds for one region. Bedrock's own addresses name it, those of VPC endpoints too; for a gateway of somebody's
 * own it is the one that is configured, or the one that the ARN of the model names.
 */
function signingRegion(baseUrl: string, model: string, region: string | null): string {
  const { hostname = '' } = URL.parse(baseUrl) ?? {};
  const named = /(?:^|\.)bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\./.exec(hostname)?.[1];
  return named ?? region ?? /^arn:[^:]+:bedrock:([a-z0-9-]+):/.exec(model)?.[1] ?? DEFAULT_REGION;
}

/**
 * The SDK leaves the tools out where they may not be called, and all their results with them, as Bedrock refuses results
 * of tools that it is not told of: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html
 */
const style: PromptStyle = { cannotForbidTools: true };

/** Other models refuse a mark: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html */
const CACHING = /anthropic\.claude|amazon\.nova/;
const cacheMark: PromptStyle = { cacheMark: { bedrock: { cachePoint: { type: 'default' } } } };

/** https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html */
const LOOKING = /anthropic\.claude-(?!v2|instant)|amazon\.nova-(?!micro|sonic|canvas|reel)/;
