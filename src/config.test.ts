import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  type ConfigMode,
  type Environment,
  loadConfig,
  revealProviderKeys,
  slackSettings,
} from './config.ts';
import { isKonstructError } from './core/errors.ts';

const key = randomBytes(32).toString('base64');

function load(env: Environment, mode: ConfigMode = 'command') {
  return loadConfig(env, { mode, cwd: '/srv/konstruct' });
}

function problemsOf(env: Environment, mode: ConfigMode = 'command'): string {
  try {
    load(env, mode);
  } catch (error) {
    if (isKonstructError(error, 'config_invalid')) return error.message;
    throw error;
  }
  return '';
}

describe('loadConfig', () => {
  it('needs nothing in dev, listens on this machine only and keeps its data in the working folder', () => {
    const config = load({}, 'dev');
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8001, dataDir: '/srv/konstruct/.konstruct' });
    expect(config).toMatchObject({
      workerConcurrency: 50,
      retentionDays: 365,
      ledgerRetentionDays: 761,
      role: 'all',
      logLevel: 'info',
    });
    expect(config.slack.apiUrl).toBe('https://slack.com/api/');
    expect(config.notices).toEqual([]);
  });

  it('refuses to serve without a master key and says how to make one', () => {
    expect(problemsOf({}, 'serve')).toMatch(/KONSTRUCT_MASTER_KEY is missing.*openssl rand -base64 32/);
    expect(load({ KONSTRUCT_MASTER_KEY: key }, 'serve').host).toBe('0.0.0.0');
  });

  it('refuses a gateway of its own on the embedded database', () => {
    expect(problemsOf({ KONSTRUCT_MASTER_KEY: key, KONSTRUCT_ROLE: 'gateway' }, 'serve')).toMatch(
      /DATABASE_URL/,
    );
  });

  it('reports all problems at once, each with what to do', () => {
    const message = problemsOf({
      PORT: '80a',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://u:hunter2@db/x',
      KONSTRUCT_MASTER_KEY: 'hunter2',
      SLACK_BOT_TOKEN: 'xoxp-hunter2',
      SLACK_API_URL: 'https://slack.com/',
      KONSTRUCT_PUBLIC_URL: 'konstruct.example.com',
      RETENTION_DAYS: '1',
    });
    expect(message).toMatch('8 problems');
    expect(message).toMatch('PORT is "80a"; give a whole number from 0 to 65535');
    expect(message).toMatch('LOG_LEVEL is "loud"; use one of debug, info');
    expect(message).toMatch('DATABASE_URL is not an address of the right kind');
    expect(message).toMatch('KONSTRUCT_MASTER_KEY is not 32 bytes of base64');
    expect(message).toMatch('SLACK_BOT_TOKEN does not begin with xoxb-');
    expect(message).toMatch('SLACK_API_URL must end in /api/');
    expect(message).toMatch('KONSTRUCT_PUBLIC_URL is not an http(s) address');
    expect(message).toMatch('RETENTION_DAYS is "1"');
    expect(message).not.toMatch('hunter2');
  });

  it('names a malformed master key once', () => {
    expect(problemsOf({ KONSTRUCT_MASTER_KEY: 'short' }, 'serve')).toMatch('a problem');
  });

  it('finds misspelt variables and leaves those of others alone', () => {
    expect(problemsOf({ SLACK_SIGNING_SECRT: 'x' })).toMatch('did you mean SLACK_SIGNING_SECRET?');
    expect(problemsOf({ KONSTRUCT_PUBLIC_URI: 'x' })).toMatch('did you mean KONSTRUCT_PUBLIC_URL?');
    expect(problemsOf({ SLACK_WEBHOOK: 'x', SLACK_BOT_TOKEN_ACME: 'x', HOSTS: 'x' })).toBe('');
  });

  it('finds a variable of ours that was given our prefix', () => {
    expect(problemsOf({ KONSTRUCT_PORT: '80' })).toMatch('KONSTRUCT_PORT is not known; did you mean PORT?');
    expect(problemsOf({ KONSTRUCT_DATABASE_URL: 'x' })).toMatch('did you mean DATABASE_URL?');
  });

  it('is both gateway and worker in dev, whatever a server on this machine is set to', () => {
    expect(load({ KONSTRUCT_ROLE: 'gateway' }, 'dev').role).toBe('all');
    const serving = { KONSTRUCT_ROLE: 'gateway', KONSTRUCT_MASTER_KEY: key, DATABASE_URL: 'postgres://db/x' };
    expect(load(serving, 'serve').role).toBe('gateway');
  });

  it('says in plain words that a list of files has an empty name in it', () => {
    expect(problemsOf({ KONSTRUCT_TOOLS: 'a.ts,' })).toMatch(
      'KONSTRUCT_TOOLS has an empty entry; separate several by single commas.',
    );
    expect(problemsOf({ KONSTRUCT_CHANNELS: ',' })).toMatch('KONSTRUCT_CHANNELS has an empty entry');
  });

  it('takes an empty variable as not set, as a compose file passes it', () => {
    expect(load({ PORT: '', DATABASE_URL: ' ' })).toMatchObject({ port: 8001, databaseUrl: null });
  });

  it('never prints a secret', () => {
    const config = load({
      KONSTRUCT_MASTER_KEY: key,
      KONSTRUCT_MASTER_KEY_PREVIOUS: `${key}, ${key}`,
      DATABASE_URL: 'postgres://u:hunter2@db/x',
      SLACK_BOT_TOKEN: 'xoxb-hunter2',
      OPENAI_API_KEY: 'hunter2',
    });
    for (const printed of [
      JSON.stringify(config),
      inspect(config, { depth: 9 }),
      `${config.slack.botToken}`,
    ]) {
      expect(printed).toMatch('[redacted]');
      expect(printed).not.toMatch('hunter2');
      expect(printed).not.toMatch(key);
    }
    expect(config.slack.botToken?.reveal()).toBe('xoxb-hunter2');
    expect(config.masterKey?.reveal()).toEqual(Buffer.from(key, 'base64'));
    expect(config.previousMasterKeys).toHaveLength(2);
    expect(revealProviderKeys(config.models)).toMatchObject({ openai: { apiKey: 'hunter2' }, anthropic: {} });
  });

  it('says in one sentence what is wrong with REDIS_URL, without its password', () => {
    expect(() => load({ REDIS_URL: 'redis://:hunter2@a:7000,b:7001' })).toThrow(
      /^The configuration has a problem:\n {2}REDIS_URL names 2 hosts; if they are a cluster, begin it with redis\+cluster:\/\/\.$/,
    );
    expect(load({ REDIS_URL: 'redis+cluster://:hunter2@a:7000,b:7001' }).redis?.reveal().nodes).toHaveLength(
      2,
    );
  });

  it('cannot be changed', () => {
    const config = load({});
    expect(() => Object.assign(config, { port: 1 })).toThrow(TypeError);
    expect(() => Object.assign(config.slack, { apiUrl: '' })).toThrow(TypeError);
  });

  it('takes AWS credentials as one key, after a Bedrock API key, and neither half alone', () => {
    const bedrockOf = (env: Environment) => revealProviderKeys(load(env).models).bedrock;
    const pair = { AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE', AWS_SECRET_ACCESS_KEY: 'hunter2/+=' };
    expect(bedrockOf(pair)).toEqual({ apiKey: 'AKIAIOSFODNN7EXAMPLE:hunter2/+=' });
    expect(bedrockOf({ ...pair, AWS_SESSION_TOKEN: 'token==', AWS_REGION: 'eu-west-1' })).toEqual({
      apiKey: 'AKIAIOSFODNN7EXAMPLE:hunter2/+=:token==',
      region: 'eu-west-1',
    });
    expect(bedrockOf({ ...pair, AWS_BEARER_TOKEN_BEDROCK: 'api-key' })).toEqual({ apiKey: 'api-key' });
    expect(bedrockOf({ AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE' })).toEqual({});
    expect(load({ AWS_SECRET_ACCESS_KEY: 'hunter2' }).notices).toEqual([
      'AWS_SECRET_ACCESS_KEY is set but has no effect without AWS_ACCESS_KEY_ID.',
    ]);
    expect(inspect(load(pair), { depth: 9 })).not.toMatch('hunter2');
  });

  it('says which settings have no effect yet', () => {
    expect(load({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }).notices).toEqual([
      'OTEL_EXPORTER_OTLP_ENDPOINT is set but has no effect in this version yet.',
    ]);
  });

  it('says that a Slack client id is of no use where browsers have no way back', () => {
    const env = { SLACK_CLIENT_ID: '1.2', SLACK_CLIENT_SECRET: 'c' };
    expect(load(env).notices).toEqual([expect.stringContaining('without KONSTRUCT_PUBLIC_URL')]);
    expect(load({ ...env, KONSTRUCT_PUBLIC_URL: 'https://konstruct.example.com' }).notices).toEqual([]);
  });

  it('wants a Slack client id and its secret together', () => {
    expect(() => load({ SLACK_CLIENT_ID: '1.2' })).toThrow(/SLACK_CLIENT_SECRET is missing/);
    expect(() => load({ SLACK_CLIENT_SECRET: 'c' })).toThrow(/SLACK_CLIENT_ID is missing/);
    const config = load({ SLACK_CLIENT_ID: '1.2', SLACK_CLIENT_SECRET: 'c', SLACK_SIGNING_SECRET: 's' });
    expect(slackSettings(config)).toMatchObject({ values: { clientId: '1.2', clientSecret: 'c' } });
    expect(slackSettings(load({})).values).toEqual({});
  });
});
