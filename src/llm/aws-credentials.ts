/** Credentials of an AWS account; temporary ones (STS, a role) come with a session token. Never logged. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/**
 * Credentials travel as one text, like every provider's key: `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` where
 * they are temporary. No part has a colon, and neither has a Bedrock API key.
 * Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html,
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html
 *
 * @returns `null`: the text is a Bedrock API key
 */
export function readAwsCredentials(key: string): AwsCredentials | null {
  const parts = /^(\w{16,128}):([^:\s]+)(?::([^:\s]+))?$/.exec(key);
  const [, accessKeyId, secretAccessKey, sessionToken] = parts ?? [];
  if (accessKeyId === undefined || secretAccessKey === undefined) return null;
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

/**
 * What is wrong with a key of Bedrock, as far as it shows without asking; `null`: nothing. An id begins with AKIA, or ASIA
 * where it is temporary, and those cannot do without their token.
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
 */
export function awsKeyProblem(key: string): string | null {
  const credentials = readAwsCredentials(key);
  if (credentials === null) {
    return key.includes(':') || /^A[KS]IA/.test(key)
      ? 'the key is neither a Bedrock API key nor AWS credentials; write these as ACCESS_KEY_ID:SECRET_ACCESS_KEY'
      : null;
  }
  return key.startsWith('ASIA') && credentials.sessionToken === undefined
    ? 'the AWS credentials are temporary (ASIA…) and lack their token; write them as ACCESS_KEY_ID:SECRET_ACCESS_KEY:SESSION_TOKEN'
    : null;
}
