// Longer than other files: every variable stands in one table, with the schemas that only it uses.
import { z } from 'zod';
import { MASTER_KEY_BYTES } from './core/cipher.ts';
import { type ProviderName, providerNames } from './core/model.ts';
import { parseRedisAddress } from './core/redis-address.ts';
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
    commaSeparated(z.string().min(1, 'has an empty entry; separate several by single commas')),
    'Files with tools of your own, separated by commas; see [add a tool](guides/add-a-tool.md).',
    'none',
  ),
  KONSTRUCT_CHANNELS: variable(
    commaSeparated(z.string().min(1, 'has an empty entry; separate several by single commas')),
    'Files with channels of your own, separated by commas; see [write a channel](guides/write-a-channel.md).',
    'none',
  ),
  DATABASE_URL: variable(
    secretUrl(['postgres:', 'postgresql:'], 'postgres://user:password@host:5432/database'),
    'The PostgreSQL (15 or newer) to use.',
    'an embedded PostgreSQL in the data folder',
    'secret',
  ),
  REDIS_URL: variable(
    redisAddress(),
    'Redis in front of PostgreSQL where there are many gateways. See [Redis](#redis).',
    'PostgreSQL does it all',
    'secret',
  ),
  WORKER_CONCURRENCY: variable(integer(1, 1_000), 'Turns that one worker runs at the same time.', '`50`'),
  TENANT_CONCURRENCY: variable(
    integer(1, 10_000),
    'Turns of one tenant that all workers together run at the same time; `maxConcurrentTurns` of a tenant goes first.',
    '`20`',
  ),
  BUSY_AFTER_SECONDS: variable(
    integer(0, 86_400),
    'People of a tenant whose oldest waiting conversation has waited longer are told that answers take a while; `0`: never.',
    '`30`',
  ),
  BUSY_AFTER_WAITING: variable(
    integer(0, 1_000),
    'The same when more conversations of the tenant wait than this; `0`: never.',
    '`100`',
  ),
  STOP_GRACE_SECONDS: variable(
    integer(0, 300),
    'How long a gateway that was asked to stop goes on taking requests while `/readyz` says 503.',
    '`3` in serve, `0` in dev',
  ),
  STOP_DEADLINE_SECONDS: variable(
    integer(0, 3_600),
    'How long turns under way may finish when a worker is asked to stop, before others get them.',
    '`10`',
  ),
  RETENTION_DAYS: variable(
    integer(2, 36_500),
    'Conversations and messages older than this many days are removed.',
    '`365`',
  ),
  LEDGER_RETENTION_DAYS: variable(
    integer(62, 36_500),
    'What model calls cost is kept for this many days; two months at least, because budgets count them.',
    '`761` (25 months)',
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
    'With `SLACK_CLIENT_SECRET` and `KONSTRUCT_PUBLIC_URL`: people install the app by a link (`konstruct install-link`).',
    'none',
  ),
  SLACK_CLIENT_SECRET: variable(
    secret(),
    'Belongs to `SLACK_CLIENT_ID`; renews tokens of apps that rotate them, too.',
    'none',
    'secret',
  ),
  SLACK_API_URL: variable(
    slackApiUrl(),
    'Base of Slack’s Web API; ends in `/api/`.',
    '`https://slack.com/api/`',
  ),
  TELEGRAM_API_URL: variable(
    httpUrl(),
    'Base of Telegram’s Bot API, for a Bot API server of your own.',
    '`https://api.telegram.org`',
  ),
  DISCORD_API_URL: variable(
    httpUrl(),
    'Base of Discord’s HTTP API, with its version.',
    '`https://discord.com/api/v10`',
  ),
  WHATSAPP_APP_SECRET: variable(
    secret(),
    'App secret of the app at Meta: proves that requests come from WhatsApp. A connection may have its own.',
    'none',
    'secret',
  ),
  WHATSAPP_VERIFY_TOKEN: variable(
    secret(),
    'What Meta has to say when it checks the address `/whatsapp`: the verify token that you enter beside it.',
    'none',
    'secret',
  ),
  WHATSAPP_API_URL: variable(
    httpUrl(),
    'Base of Meta’s Graph API, with its version.',
    '`https://graph.facebook.com/v26.0`',
  ),
  TEAMS_APP_ID: variable(
    guid(),
    'Id of the app that the installation’s Teams bot is registered as. A connection may have its own.',
    'none',
  ),
  TEAMS_APP_PASSWORD: variable(secret(), 'Client secret of that app.', 'none', 'secret'),
  TEAMS_APP_TENANT_ID: variable(
    guid(),
    'The Microsoft tenant of that app, if it is registered as single-tenant.',
    'the app is multi-tenant',
  ),
  TEAMS_API_URL: variable(
    httpUrl(),
    'Where Teams is called as long as it has not named an address of its own.',
    '`https://smba.trafficmanager.net/teams`',
  ),
  TEAMS_LOGIN_URL: variable(
    httpUrl(),
    'Where the app gets its tokens.',
    '`https://login.microsoftonline.com`',
  ),
  TEAMS_OPENID_URL: variable(
    httpUrl(),
    'The document that says with which keys Teams signs.',
    '`https://login.botframework.com/v1/.well-known/openidconfiguration`',
  ),
  GOOGLE_CHAT_AUDIENCE: variable(
    z.string().regex(/^(?:\d{6,20}|https:\/\/\S+)$/, 'is neither a project number nor an https address'),
    'For whom Chat’s requests to `/google-chat` have to be: the project number of the Chat app. A connection may have its own.',
    'none',
  ),
  GOOGLE_CHAT_API_URL: variable(httpUrl(), 'Base of the Chat API.', '`https://chat.googleapis.com`'),
  GOOGLE_CHAT_CERTS_URL: variable(
    httpUrl(),
    'Where Google publishes the keys that it signs with.',
    '`https://www.googleapis.com`',
  ),
  GOOGLE_CHAT_TOKEN_URL: variable(
    httpUrl(),
    'Where service accounts get their tokens.',
    '`https://oauth2.googleapis.com/token`',
  ),
  ANTHROPIC_API_KEY: variable(
    modelKeys(),
    'Keys of the provider `anthropic`, separated by commas.',
    'none',
    'secret',
  ),
  ANTHROPIC_BASE_URL: variable(httpUrl(), 'Address of the provider `anthropic`.', 'the provider’s own'),
  OPENAI_API_KEY: variable(
    modelKeys(),
    'Keys of the provider `openai`, separated by commas.',
    'none',
    'secret',
  ),
  OPENAI_BASE_URL: variable(httpUrl(), 'Address of the provider `openai`.', 'the provider’s own'),
  GOOGLE_GENERATIVE_AI_API_KEY: variable(
    modelKeys(),
    'Keys of the provider `google`, separated by commas.',
    'none',
    'secret',
  ),
  GOOGLE_GENERATIVE_AI_BASE_URL: variable(
    httpUrl(),
    'Address of the provider `google`.',
    'the provider’s own',
  ),
  AWS_BEARER_TOKEN_BEDROCK: variable(
    modelKeys(),
    'Bedrock API keys for the provider `bedrock`, separated by commas.',
    'none',
    'secret',
  ),
  AWS_ACCESS_KEY_ID: variable(
    z.string().regex(/^[^\s:,]+$/, 'is no access key id; copy it again, without quotes'),
    'With `AWS_SECRET_ACCESS_KEY`: AWS credentials for the provider `bedrock`, where there is no `AWS_BEARER_TOKEN_BEDROCK`.',
    'none',
  ),
  AWS_SECRET_ACCESS_KEY: variable(awsSecret(), 'The secret of `AWS_ACCESS_KEY_ID`.', 'none', 'secret'),
  AWS_SESSION_TOKEN: variable(
    awsSecret(),
    'The token of temporary AWS credentials, which end: a process that runs longer needs others.',
    'none',
    'secret',
  ),
  BEDROCK_BASE_URL: variable(
    httpUrl(),
    'Address of the provider `bedrock`.',
    '`https://bedrock-runtime.<AWS_REGION>.amazonaws.com`',
  ),
  AWS_REGION: variable(
    z.string().regex(/^[a-z0-9-]+$/, 'is no region; write it like eu-central-1'),
    'Region of the provider `bedrock`.',
    '`us-east-1`',
  ),
  AZURE_API_KEY: variable(
    modelKeys(),
    'Keys of the provider `azure`, separated by commas.',
    'none',
    'secret',
  ),
  AZURE_BASE_URL: variable(
    httpUrl(),
    'Address of the Azure OpenAI resource, such as `https://acme.openai.azure.com`.',
    'none',
  ),
  MISTRAL_API_KEY: variable(
    modelKeys(),
    'Keys of the provider `mistral`, separated by commas.',
    'none',
    'secret',
  ),
  MISTRAL_BASE_URL: variable(httpUrl(), 'Address of the provider `mistral`.', 'the provider’s own'),
  GROQ_API_KEY: variable(modelKeys(), 'Keys of the provider `groq`, separated by commas.', 'none', 'secret'),
  GROQ_BASE_URL: variable(httpUrl(), 'Address of the provider `groq`.', 'the provider’s own'),
  OPENROUTER_API_KEY: variable(
    modelKeys(),
    'Keys of the provider `openrouter`, separated by commas.',
    'none',
    'secret',
  ),
  OPENROUTER_BASE_URL: variable(httpUrl(), 'Address of the provider `openrouter`.', 'the provider’s own'),
  OLLAMA_BASE_URL: variable(
    httpUrl(),
    'Address of an Ollama server, such as `http://127.0.0.1:11434`.',
    'none',
  ),
  MODEL_CONCURRENCY: variable(
    perProvider(),
    'How many calls a process makes at a time, per provider: `anthropic=40,openai=100`.',
    'as many as come',
  ),
  MODEL_TOKENS_PER_MINUTE: variable(
    perProvider(),
    'How many tokens a process uses a minute, per provider: `anthropic=400000`.',
    'as many as come',
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

/** An id as Microsoft writes them, in lower case. */
function guid() {
  return z
    .string()
    .toLowerCase()
    .regex(/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'is no GUID; copy it from the app’s overview');
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

function redisAddress() {
  return z.string().transform((text, context) => {
    const parsed = parseRedisAddress(text);
    if (parsed.ok) return new Secret(parsed.address);
    context.addIssue(parsed.problem);
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

/** Credentials travel in one text, separated by colons (`readAwsCredentials`); commas separate keys. */
function awsSecret() {
  return z.string().transform((text, context) => {
    if (/^[^\s:,]+$/.test(text)) return new Secret(text);
    context.addIssue('contains white space, a colon or a comma; copy it again');
    return z.NEVER;
  });
}

/** One key or several, separated by commas. */
function modelKeys() {
  return z.string().transform((text, context) => {
    const keys = text.split(',').map((key) => key.trim());
    if (keys.every((key) => key !== '' && !/\s/.test(key))) return new Secret(keys.join(','));
    context.addIssue('contains white space or an empty key; separate several by single commas');
    return z.NEVER;
  });
}

/** `anthropic=40,openai=100` */
function perProvider() {
  return z.string().transform((text, context) => {
    const limits: Partial<Record<ProviderName, number>> = {};
    for (const part of text.split(',')) {
      const [, name = '', written = ''] = /^\s*([a-z-]+)\s*=\s*(\d{1,12})\s*$/.exec(part) ?? [];
      const provider = providerNames.find((known) => known === name);
      if (provider === undefined || Number(written) < 1) {
        context.addIssue(`has "${part.trim()}"; write it like anthropic=40,openai=100`);
        return z.NEVER;
      }
      limits[provider] = Number(written);
    }
    return limits;
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
