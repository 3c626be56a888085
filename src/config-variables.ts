import { z } from 'zod';
import { MASTER_KEY_BYTES } from './core/cipher.ts';
import { Secret } from './core/secret.ts';

/**
 * Every environment variable, once. `docs/config.md` is tested against this table, and a misspelt variable is found
 * by it.
 *
 * A schema gets the text of a variable that is set and not empty. Its messages go on after the variable's name and say
 * what is wrong and what to do. Values of secret variables never appear in a message.
 */
export const configVariables = {
  HOST: variable(z.string(), 'Address to listen on.', '`127.0.0.1` in dev, `0.0.0.0` in serve'),
  PORT: variable(integer(0, 65_535), 'TCP port to listen on; `0` takes a free one.', '`8001`'),
  KONSTRUCT_PUBLIC_URL: variable(
    httpUrl(),
    'The address under which platforms reach this installation, such as `https://konstruct.example.com`.',
    'none',
  ),
  KONSTRUCT_DATA_DIR: variable(
    z.string(),
    'Folder for the embedded database and the master key made by dev.',
    '`.konstruct`',
  ),
  KONSTRUCT_MASTER_KEY: variable(
    masterKey(),
    'Encrypts stored credentials: 32 bytes as base64. `openssl rand -base64 32` makes one. Required by serve.',
    'dev makes one and keeps it in the data folder',
    'secret',
  ),
  KONSTRUCT_MASTER_KEY_PREVIOUS: variable(
    commaSeparated(masterKey()),
    'Earlier master keys, separated by commas, while `konstruct keys rotate` has not finished yet.',
    'none',
    'secret',
  ),
  KONSTRUCT_ROLE: variable(
    oneOf('all', 'gateway', 'worker'),
    'What a `konstruct serve` process does; `--role` goes first.',
    '`all`',
  ),
  KONSTRUCT_CONFIG: variable(z.string(), 'A `konstruct.yaml` that is applied at every start.', 'none'),
  KONSTRUCT_TOOLS: variable(
    commaSeparated(z.string().trim().min(1)),
    'Files with tools of your own, separated by commas; see [add a tool](guides/add-a-tool.md).',
    'none',
  ),
  DATABASE_URL: variable(
    secretUrl(['postgres:', 'postgresql:'], 'postgres://user:password@host:5432/database'),
    'The PostgreSQL (15 or newer) to use.',
    'an embedded PostgreSQL in the data folder',
    'secret',
  ),
  REDIS_URL: variable(
    secretUrl(['redis:', 'rediss:'], 'redis://:password@host:6379'),
    'Redis shared by several gateways. Has no effect in this version yet.',
    'none',
    'secret',
  ),
  WORKER_CONCURRENCY: variable(integer(1, 1_000), 'Turns that one worker runs at the same time.', '`50`'),
  RETENTION_DAYS: variable(
    integer(2, 36_500),
    'Conversations and messages older than this many days are removed.',
    '`365`',
  ),
  LOG_LEVEL: variable(
    oneOf('debug', 'info', 'warn', 'error', 'silent'),
    'The least important kind of log line that is written.',
    '`info`',
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: variable(
    httpUrl(),
    'Where traces are sent. Has no effect in this version yet.',
    'none',
  ),
  SLACK_SIGNING_SECRET: variable(
    secret(),
    'Proves that requests come from Slack. A connection may have its own.',
    'none',
    'secret',
  ),
  SLACK_BOT_TOKEN: variable(
    secret('xoxb-', 'xoxe.xoxb-'),
    'Bot token of one workspace: its connection is made at start.',
    'none',
    'secret',
  ),
  SLACK_APP_TOKEN: variable(
    secret('xapp-'),
    'App-level token: events are fetched over Socket Mode, and no public address is needed. A connection may have its own.',
    'none',
    'secret',
  ),
  SLACK_CLIENT_ID: variable(
    z.string(),
    'For installing the app into workspaces. Has no effect in this version yet.',
    'none',
  ),
  SLACK_CLIENT_SECRET: variable(
    secret(),
    'For installing the app into workspaces. Has no effect in this version yet.',
    'none',
    'secret',
  ),
  SLACK_API_URL: variable(
    slackApiUrl(),
    'Base of Slack’s Web API; ends in `/api/`.',
    '`https://slack.com/api/`',
  ),
  ANTHROPIC_API_KEY: variable(secret(), 'Key of the provider `anthropic`.', 'none', 'secret'),
  ANTHROPIC_BASE_URL: variable(httpUrl(), 'Address of the provider `anthropic`.', 'the provider’s own'),
  OPENAI_API_KEY: variable(secret(), 'Key of the provider `openai`.', 'none', 'secret'),
  OPENAI_BASE_URL: variable(httpUrl(), 'Address of the provider `openai`.', 'the provider’s own'),
  GOOGLE_GENERATIVE_AI_API_KEY: variable(secret(), 'Key of the provider `google`.', 'none', 'secret'),
  GOOGLE_GENERATIVE_AI_BASE_URL: variable(
    httpUrl(),
    'Address of the provider `google`.',
    'the provider’s own',
  ),
  OLLAMA_BASE_URL: variable(
    httpUrl(),
    'Address of an Ollama server, such as `http://127.0.0.1:11434`.',
    'none',
  ),
} as const satisfies Record<string, ConfigVariable>;

export type ConfigVariableName = keyof typeof configVariables;

/** What the variables mean once they are parsed; `null`: not set. */
export type ConfigValues = {
  readonly [Name in ConfigVariableName]: z.output<(typeof configVariables)[Name]['schema']> | null;
};

export interface ConfigVariable {
  readonly schema: z.ZodType<unknown, string>;
  readonly meaning: string;
  /** What holds when it is not set, in words (markdown). */
  readonly absent: string;
  readonly secret: boolean;
}

function variable<Schema extends z.ZodType<unknown, string>>(
  schema: Schema,
  meaning: string,
  absent: string,
  kind: 'plain' | 'secret' = 'plain',
) {
  return { schema, meaning, absent, secret: kind === 'secret' };
}

function integer(minimum: number, maximum: number) {
  return z.string().transform((text, context) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    context.addIssue(`is "${text}"; give a whole number from ${minimum} to ${maximum}`);
    return z.NEVER;
  });
}

function oneOf<const Value extends string>(...values: readonly Value[]) {
  return z.string().transform((text, context) => {
    const found = values.find((value) => value === text);
    if (found !== undefined) return found;
    context.addIssue(`is "${text}"; use one of ${values.join(', ')}`);
    return z.NEVER;
  });
}

/** An http(s) address, without slashes at its end. */
function httpUrl() {
  return z.string().transform((text, context) => {
    const url = URL.parse(text);
    if (url !== null && ['http:', 'https:'].includes(url.protocol) && url.search === '' && url.hash === '') {
      return text.replace(/\/+$/, '');
    }
    context.addIssue('is not an http(s) address; write it like https://example.com');
    return z.NEVER;
  });
}

function slackApiUrl() {
  return httpUrl().transform((url, context) => {
    if (url.endsWith('/api')) return `${url}/`;
    context.addIssue('must end in /api/; write it like https://slack.com/api/');
    return z.NEVER;
  });
}

function secretUrl(protocols: readonly string[], example: string) {
  return z.string().transform((text, context) => {
    if (protocols.includes(URL.parse(text)?.protocol ?? '')) return new Secret(text);
    context.addIssue(`is not an address of the right kind; write it like ${example}`);
    return z.NEVER;
  });
}

function secret(...prefixes: readonly string[]) {
  return z.string().transform((text, context) => {
    if (/\s/.test(text)) {
      context.addIssue('contains white space; copy it again without quotes or line breaks');
      return z.NEVER;
    }
    if (prefixes.length === 0 || prefixes.some((prefix) => text.startsWith(prefix))) return new Secret(text);
    context.addIssue(`does not begin with ${prefixes.join(' or ')}; this looks like another kind of token`);
    return z.NEVER;
  });
}

/** Base64 and base64url are read, with or without padding. */
function masterKey() {
  return z.string().transform((text, context) => {
    const key = /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
    if (key.length === MASTER_KEY_BYTES) return new Secret(key);
    context.addIssue(
      `is not ${MASTER_KEY_BYTES} bytes of base64; make one with: openssl rand -base64 ${MASTER_KEY_BYTES}`,
    );
    return z.NEVER;
  });
}

function commaSeparated<Output>(schema: z.ZodType<Output, string>) {
  return z
    .string()
    .transform((text) => text.split(',').map((part) => part.trim()))
    .pipe(z.array(schema));
}
