import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelEvent, ModelRequest, RouteEntry } from '../../src/core/model.ts';
import { createModelPool } from '../../src/llm/create-model-pool.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import { checkAwsSignature } from '../support/model-wire/aws-signature.ts';
import { createRecordingBudget } from '../support/recording-budget.ts';
import { recordingLog } from '../support/recording-log.ts';

/** Bedrock with AWS credentials: what is said once for all providers is in model-provider.test.ts. */

const account = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  region: 'eu-central-1',
};
const credentials = `${account.accessKeyId}:${account.secretAccessKey}`;
const model = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0'; // the colon is encoded in the path, and again in the signature

const request: ModelRequest = {
  tenantId: 'tenant-1',
  route: 'default',
  system: 'You are Ada.',
  messages: [{ role: 'user', content: 'What is 6 × 7? ü 🙂 "quoted" %2F' }],
  tools: [
    { name: 'look_up', description: 'Looks something up.', inputSchema: { type: 'object', properties: {} } },
  ],
  maxOutputTokens: 100,
  signal: new AbortController().signal,
};

let server: ModelServer;
let temporary: ModelServer;
beforeAll(async () => {
  server = await startModelServer({ apiKey: 'a-bedrock-api-key', aws: account });
  temporary = await startModelServer({
    aws: { ...account, accessKeyId: 'ASIAIOSFODNN7EXAMPLE', sessionToken: 'to/k+en==' },
  });
});
afterAll(async () => {
  await server.close();
  await temporary.close();
});

function poolFor(
  entry: Partial<RouteEntry>,
  more: { readonly bedrock?: object; readonly at?: ModelServer } = {},
) {
  const log = recordingLog();
  const pool = createModelPool({
    routes: async (name) => ({
      name,
      entries: [
        {
          provider: 'bedrock',
          model,
          region: account.region,
          baseUrl: (more.at ?? server).urls.bedrock,
          ...entry,
        },
      ],
    }),
    keys: { bedrock: more.bedrock ?? {} },
    budget: createRecordingBudget(),
    clock: Date.now,
    random: () => 0,
    sleep: async () => undefined,
    log,
  });
  return { pool, log };
}

async function streamed(events: AsyncIterable<ModelEvent>): Promise<string> {
  let text = '';
  for await (const event of events) if (event.type === 'text') text += event.text;
  return text;
}

describe('AWS credentials', () => {
  it('sign each request, whole and streamed, whatever it says', async () => {
    const { pool } = poolFor({ apiKey: credentials });
    server.respondNext('It is 42.', 'It is 42.');
    expect((await pool.generate(request)).text).toBe('It is 42.');
    expect(await streamed(pool.stream(request))).toBe('It is 42.');
    expect(server.requests.at(-1)?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE\//,
    );
    expect(JSON.stringify(server.requests.at(-1)?.headers)).not.toContain(account.secretAccessKey);
  });

  it('may be temporary, with a token', async () => {
    const key = `ASIAIOSFODNN7EXAMPLE:${account.secretAccessKey}:to/k+en==`;
    const { pool } = poolFor({ apiKey: key }, { at: temporary });
    temporary.respondNext('Yes.');
    expect((await pool.generate(request)).text).toBe('Yes.');
  });

  it('are the installation’s, for the region that is configured', async () => {
    const { pool } = poolFor(
      { region: undefined as never },
      { bedrock: { apiKey: credentials, region: account.region } },
    );
    server.respondNext('Yes.');
    expect((await pool.generate(request)).text).toBe('Yes.');
  });

  it('go before a Bedrock API key in the environment that nobody configured', async () => {
    process.env.AWS_BEARER_TOKEN_BEDROCK = 'of-somebody-else';
    try {
      const { pool } = poolFor({ apiKey: credentials });
      server.respondNext('Yes.');
      expect((await pool.generate(request)).text).toBe('Yes.');
    } finally {
      delete process.env.AWS_BEARER_TOKEN_BEDROCK;
    }
  });

  it.each([
    ['of another secret', `${account.accessKeyId}:${'x'.repeat(40)}`, {}, 'InvalidSignatureException'],
    [
      'that nobody knows',
      `AKIAIOSFODNN7ANOTHER:${account.secretAccessKey}`,
      {},
      'UnrecognizedClientException',
    ],
    ['for another region', credentials, { region: 'us-west-2' }, 'InvalidSignatureException'],
  ])('%s are refused and set aside, and the next key answers', async (_name, wrong, entry, errorType) => {
    const { pool, log } = poolFor({ apiKeys: [wrong, 'a-bedrock-api-key'], ...entry });
    server.respondNext('Yes.');
    const { text, attempts } = await pool.generate(request);
    expect(text).toBe('Yes.');
    expect(attempts).toMatchObject([{ outcome: 'unauthorized', status: 403, errorType }, { outcome: 'ok' }]);
    expect(log.lines.filter(({ event }) => event === 'model.key_refused')).toHaveLength(1);
    expect(pool.snapshot().keys).toMatchObject([{ provider: 'bedrock', state: 'dead' }]);
    expect(JSON.stringify(log.lines)).not.toContain(account.secretAccessKey);
  });

  it('that may not use a model are tried again for the next one: AWS says 403 to that too', async () => {
    const { pool } = poolFor({ apiKey: credentials });
    server.respondNext({
      status: 403,
      errorType: 'AccessDeniedException:http://internal.amazon.com/coral/',
      message: 'no',
    });
    await expect(pool.generate(request)).rejects.toMatchObject({
      details: { attempts: [{ outcome: 'unauthorized', status: 403, errorType: 'AccessDeniedException' }] },
    });
    expect(pool.snapshot().keys).toEqual([]);
  });
});

describe('the stand-in', () => {
  it('makes the signature that AWS’s documentation gives as an example', () => {
    const documented = {
      method: 'GET',
      url: '/?Action=ListUsers&Version=2010-05-08',
      headers: {
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
        host: 'iam.amazonaws.com',
        'x-amz-date': '20150830T123600Z',
        authorization:
          'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
      },
      body: '',
    };
    const example = {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      region: 'us-east-1',
    };
    const at = { service: 'iam', nowMs: Date.UTC(2015, 7, 30, 12, 37) };
    expect(checkAwsSignature(documented, example, at)).toBeNull();
    expect(checkAwsSignature({ ...documented, body: 'x' }, example, at)).toMatchObject({
      type: 'InvalidSignatureException',
    });
    expect(checkAwsSignature(documented, example, { ...at, nowMs: at.nowMs + 10 * 60_000 })).toMatchObject({
      message: expect.stringContaining('expired'),
    });
  });
});
