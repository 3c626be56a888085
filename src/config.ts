import { resolve } from 'node:path';
import { type ConfigValues, type ConfigVariableName, configVariables } from './config-variables.ts';
import type { PlatformSettings } from './core/channel-definition.ts';
import { KonstructError } from './core/errors.ts';
import { type ProviderKeys, type ProviderLimits, type ProviderName, providerNames } from './core/model.ts';
import { nearestName } from './core/nearest-name.ts';
import type { RedisAddress } from './core/redis-address.ts';
import { Secret } from './core/secret.ts';

/** What the installation is told by its environment: read once, validated, frozen. Secrets print as `[redacted]`. */
export interface Config {
  readonly mode: ConfigMode;
  readonly host: string;
  readonly port: number;
  /** Without a slash at its end; `null`: platforms cannot reach us, or nobody said how. */
  readonly publicUrl: string | null;
  /** Absolute path. */
  readonly dataDir: string;
  /** `null`: see `ensureMasterKey`. Never `null` in serve. */
  readonly masterKey: Secret<Buffer> | null;
  readonly previousMasterKeys: readonly Secret<Buffer>[];
  /** `null`: the embedded database in the data folder. */
  readonly databaseUrl: Secret | null;
  /** `null`: none; PostgreSQL does what it would do. */
  readonly redis: Secret<RedisAddress> | null;
  readonly role: 'all' | 'gateway' | 'worker';
  readonly workerConcurrency: number;
  readonly retentionDays: number;
  /** Turns of one tenant at a time, where it has no number of its own. */
  readonly tenantConcurrency: number;
  /** From when on people are told that answers take a while; `null`: this bound is off. */
  readonly busy: { readonly afterMs: number | null; readonly afterWaiting: number | null };
  readonly stopGraceMs: number;
  readonly stopDeadlineMs: number;
  readonly ledgerRetentionDays: number;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly otlpEndpoint: string | null;
  /** Absolute path of a konstruct.yaml to apply at start. */
  readonly configFile: string | null;
  /** Absolute paths of files with tools of the operator's own. */
  readonly toolFiles: readonly string[];
  /** Absolute paths of files with channels of the operator's own. */
  readonly channelFiles: readonly string[];
  readonly slack: SlackConfig;
  /** What is set for the other platforms, by channel. */
  readonly platforms: Readonly<Record<PlatformName, PlatformConfig>>;
  readonly models: Readonly<Record<ConfiguredProvider, ModelProviderConfig>>;
  /** How much a process asks of a provider at a time. */
  readonly modelLimits: Readonly<Partial<Record<ProviderName, ProviderLimits>>>;
  /** Settings that are valid but do nothing in this version, one plain sentence each. */
  readonly notices: readonly string[];
}

/**
 * `dev`: one process for trying out and developing; `serve`: production, stricter; `command`: everything else of the
 * command line, which neither listens nor answers.
 */
export type ConfigMode = 'dev' | 'serve' | 'command';

export interface SlackConfig {
  readonly signingSecret: Secret | null;
  readonly botToken: Secret | null;
  readonly appToken: Secret | null;
  readonly clientId: string | null;
  readonly clientSecret: Secret | null;
  /** Ends in `/api/`. */
  readonly apiUrl: string;
}

/** Which variable of a platform means what. Names beside the known ones are the adapter's own, `ChannelOptions.values`. */
interface PlatformVariables {
  readonly apiUrl?: ConfigVariableName;
  readonly signingSecret?: ConfigVariableName;
  readonly handshakeToken?: ConfigVariableName;
  readonly values?: Readonly<Record<string, ConfigVariableName>>;
}

/** A new platform whose installation is told something by the environment has its row here. */
const platformVariables = {
  telegram: { apiUrl: 'TELEGRAM_API_URL' },
  discord: { apiUrl: 'DISCORD_API_URL' },
  whatsapp: {
    apiUrl: 'WHATSAPP_API_URL',
    signingSecret: 'WHATSAPP_APP_SECRET',
    handshakeToken: 'WHATSAPP_VERIFY_TOKEN',
  },
  teams: {
    apiUrl: 'TEAMS_API_URL',
    signingSecret: 'TEAMS_APP_ID',
    values: {
      appId: 'TEAMS_APP_ID',
      appPassword: 'TEAMS_APP_PASSWORD',
      appTenantId: 'TEAMS_APP_TENANT_ID',
      loginUrl: 'TEAMS_LOGIN_URL',
      openIdUrl: 'TEAMS_OPENID_URL',
    },
  },
  'google-chat': {
    apiUrl: 'GOOGLE_CHAT_API_URL',
    signingSecret: 'GOOGLE_CHAT_AUDIENCE',
    values: { certsUrl: 'GOOGLE_CHAT_CERTS_URL', tokenUrl: 'GOOGLE_CHAT_TOKEN_URL' },
  },
} as const satisfies Readonly<Record<string, PlatformVariables>>;

type PlatformName = keyof typeof platformVariables;

/** Everything may be a secret. */
type PlatformConfig = Secret<PlatformSettings>;

export type ConfiguredProvider = Exclude<ProviderName, 'openai-compatible' | 'demo'>;

export interface ModelProviderConfig {
  readonly apiKey: Secret | null;
  readonly baseUrl: string | null;
  readonly region?: string | null;
}

/** Keys and addresses of the model providers in the clear, as the model pool takes them. Never logged. */
export function revealProviderKeys(
  models: Config['models'],
): Readonly<Record<ConfiguredProvider, NonNullable<ProviderKeys[ProviderName]>>> {
  const reveal = ({ apiKey, baseUrl, region = null }: ModelProviderConfig) => ({
    ...(apiKey === null ? {} : { apiKey: apiKey.reveal() }),
    ...(baseUrl === null ? {} : { baseUrl }),
    ...(region === null ? {} : { region }),
  });
  return {
    anthropic: reveal(models.anthropic),
    openai: reveal(models.openai),
    google: reveal(models.google),
    bedrock: reveal(models.bedrock),
    azure: reveal(models.azure),
    mistral: reveal(models.mistral),
    groq: reveal(models.groq),
    openrouter: reveal(models.openrouter),
    ollama: reveal(models.ollama),
  };
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the configuration from environment variables. A variable that is set to nothing counts as not set.
 *
 * @param options.cwd what relative paths are relative to
 * @throws KonstructError `config_invalid`: the message lists every problem, `details.problems` holds them
 */
export function loadConfig(env: Environment, options: { mode: ConfigMode; cwd: string }): Config {
  const { mode, cwd } = options;
  const { values, problems } = readVariables(env);
  problems.push(...findTypos(env), ...findMissing(env, values, mode), ...findHalves(values));
  if (problems.length > 0) throw configInvalid(problems);
  return Object.freeze({
    mode,
    host: values.HOST ?? (mode === 'serve' ? '0.0.0.0' : '127.0.0.1'),
    port: values.PORT ?? 8001,
    publicUrl: values.KONSTRUCT_PUBLIC_URL,
    dataDir: resolve(cwd, values.KONSTRUCT_DATA_DIR ?? '.konstruct'),
    masterKey: values.KONSTRUCT_MASTER_KEY,
    previousMasterKeys: Object.freeze(values.KONSTRUCT_MASTER_KEY_PREVIOUS ?? []),
    databaseUrl: values.DATABASE_URL,
    redis: values.REDIS_URL,
    // A process of `dev` has nobody beside it: as a gateway alone it would never answer.
    role: mode === 'dev' ? 'all' : (values.KONSTRUCT_ROLE ?? 'all'),
    workerConcurrency: values.WORKER_CONCURRENCY ?? 50,
    retentionDays: values.RETENTION_DAYS ?? 365,
    tenantConcurrency: values.TENANT_CONCURRENCY ?? 20,
    busy: Object.freeze({
      afterMs: (values.BUSY_AFTER_SECONDS ?? 30) * 1_000 || null,
      afterWaiting: (values.BUSY_AFTER_WAITING ?? 100) || null,
    }),
    stopGraceMs: (values.STOP_GRACE_SECONDS ?? (mode === 'serve' ? 3 : 0)) * 1_000,
    stopDeadlineMs: (values.STOP_DEADLINE_SECONDS ?? 10) * 1_000,
    ledgerRetentionDays: values.LEDGER_RETENTION_DAYS ?? 761,
    logLevel: values.LOG_LEVEL ?? 'info',
    otlpEndpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
    configFile: values.KONSTRUCT_CONFIG === null ? null : resolve(cwd, values.KONSTRUCT_CONFIG),
    toolFiles: Object.freeze((values.KONSTRUCT_TOOLS ?? []).map((file) => resolve(cwd, file))),
    channelFiles: Object.freeze((values.KONSTRUCT_CHANNELS ?? []).map((file) => resolve(cwd, file))),
    slack: Object.freeze({
      signingSecret: values.SLACK_SIGNING_SECRET,
      botToken: values.SLACK_BOT_TOKEN,
      appToken: values.SLACK_APP_TOKEN,
      clientId: values.SLACK_CLIENT_ID,
      clientSecret: values.SLACK_CLIENT_SECRET,
      apiUrl: values.SLACK_API_URL ?? 'https://slack.com/api/',
    }),
    platforms: Object.freeze(joinPlatforms(values)),
    models: Object.freeze({
      anthropic: Object.freeze({ apiKey: values.ANTHROPIC_API_KEY, baseUrl: values.ANTHROPIC_BASE_URL }),
      openai: Object.freeze({ apiKey: values.OPENAI_API_KEY, baseUrl: values.OPENAI_BASE_URL }),
      google: Object.freeze({
        apiKey: values.GOOGLE_GENERATIVE_AI_API_KEY,
        baseUrl: values.GOOGLE_GENERATIVE_AI_BASE_URL,
      }),
      bedrock: Object.freeze({
        // The order of AWS's own clients.
        apiKey: values.AWS_BEARER_TOKEN_BEDROCK ?? joinAwsCredentials(values),
        baseUrl: values.BEDROCK_BASE_URL,
        region: values.AWS_REGION,
      }),
      azure: Object.freeze({ apiKey: values.AZURE_API_KEY, baseUrl: values.AZURE_BASE_URL }),
      mistral: Object.freeze({ apiKey: values.MISTRAL_API_KEY, baseUrl: values.MISTRAL_BASE_URL }),
      groq: Object.freeze({ apiKey: values.GROQ_API_KEY, baseUrl: values.GROQ_BASE_URL }),
      openrouter: Object.freeze({ apiKey: values.OPENROUTER_API_KEY, baseUrl: values.OPENROUTER_BASE_URL }),
      ollama: Object.freeze({ apiKey: null, baseUrl: values.OLLAMA_BASE_URL }),
    }),
    modelLimits: Object.freeze(joinLimits(values)),
    notices: Object.freeze(describeUnused(values)),
  });
}

/** What is set for Slack, as the app takes it. */
export function slackSettings({ slack }: Pick<Config, 'slack'>) {
  const { clientId, clientSecret } = slack;
  return {
    signingSecret: slack.signingSecret?.reveal() ?? null,
    appToken: slack.appToken?.reveal() ?? null,
    apiUrl: slack.apiUrl,
    values:
      clientId === null || clientSecret === null ? {} : { clientId, clientSecret: clientSecret.reveal() },
  };
}

/** What is set for platforms besides Slack, as the app takes it. */
export function platformSettings({
  platforms,
}: Pick<Config, 'platforms'>): Readonly<Record<string, PlatformSettings>> {
  return Object.fromEntries(Object.entries(platforms).map(([type, settings]) => [type, settings.reveal()]));
}

function joinPlatforms(values: ConfigValues): Config['platforms'] {
  const textOf = (name: ConfigVariableName | undefined): string | null => {
    const value = name === undefined ? null : values[name];
    if (value instanceof Secret) return String(value.reveal());
    return value === null ? null : String(value);
  };
  const entries = Object.entries<PlatformVariables>(platformVariables).map(([type, variables]) => {
    const apiUrl = textOf(variables.apiUrl);
    const named = Object.entries(variables.values ?? {}).map(([key, name]) => [key, textOf(name)] as const);
    const settings: PlatformSettings = {
      ...(apiUrl === null ? {} : { apiUrl }),
      signingSecret: textOf(variables.signingSecret),
      handshakeToken: textOf(variables.handshakeToken),
      values: Object.fromEntries(named.filter((entry): entry is [string, string] => entry[1] !== null)),
    };
    return [type, new Secret(settings)];
  });
  return Object.fromEntries(entries) as Record<PlatformName, PlatformConfig>;
}

function joinAwsCredentials(values: ConfigValues): Secret | null {
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = values;
  if (id === null || secret === null) return null;
  return new Secret([id, secret.reveal(), ...(token === null ? [] : [token.reveal()])].join(':'));
}

function joinLimits({ MODEL_CONCURRENCY, MODEL_TOKENS_PER_MINUTE }: ConfigValues): Config['modelLimits'] {
  const limits: Partial<Record<ProviderName, ProviderLimits>> = {};
  for (const provider of providerNames) {
    const concurrency = MODEL_CONCURRENCY?.[provider];
    const tokensPerMinute = MODEL_TOKENS_PER_MINUTE?.[provider];
    if (concurrency === undefined && tokensPerMinute === undefined) continue;
    limits[provider] = {
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
    };
  }
  return limits;
}

/** One thing that is wrong: what it is about, and what is wrong with it and what to do. */
export interface ConfigProblem {
  readonly variable: string;
  readonly problem: string;
}

/** @param subject what has the problems, as the beginning of a sentence */
export function configInvalid(
  problems: readonly ConfigProblem[],
  subject = 'The configuration',
): KonstructError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  const lines = problems.map(({ variable, problem }) => {
    return `  ${variable} ${problem}${problem.endsWith('?') ? '' : '.'}`;
  });
  return new KonstructError('config_invalid', `${subject} has ${count}:\n${lines.join('\n')}`, {
    details: { problems },
  });
}

function readVariables(env: Environment): { values: ConfigValues; problems: ConfigProblem[] } {
  const problems: ConfigProblem[] = [];
  const entries = Object.entries(configVariables).map(([name, { schema }]) => {
    const text = env[name]?.trim();
    if (!text) return [name, null];
    const result = schema.safeParse(text);
    if (result.success) return [name, result.data];
    problems.push({ variable: name, problem: result.error.issues[0]?.message ?? 'is not valid' });
    return [name, null];
  });
  return { values: Object.fromEntries(entries) as ConfigValues, problems };
}

/** Variables that begin so are ours: one that is nearly known is misspelt. */
export const ownPrefixes = [
  'KONSTRUCT_',
  'SLACK_',
  'TELEGRAM_',
  'WHATSAPP_',
  'TEAMS_',
  'MATTERMOST_',
  'DISCORD_',
  'GOOGLE_CHAT_',
  'WIDGET_',
] as const;

/**
 * Variables in our name spaces that we do not know but nearly do. A known name with something appended
 * (`SLACK_BOT_TOKEN_ACME`) is not a typo: a konstruct.yaml may take its secrets from such.
 */
function findTypos(env: Environment): ConfigProblem[] {
  const known = Object.keys(configVariables);
  return Object.keys(env)
    .filter((name) => ownPrefixes.some((prefix) => name.startsWith(prefix)) && !known.includes(name))
    .filter((name) => !known.some((other) => name.startsWith(`${other}_`)))
    .sort()
    .flatMap((name) => {
      const bare = name.slice(name.indexOf('_') + 1);
      const meant = known.includes(bare) ? bare : nearestName(name, known);
      return meant === null ? [] : [{ variable: name, problem: `is not known; did you mean ${meant}?` }];
    });
}

function findMissing(env: Environment, values: ConfigValues, mode: ConfigMode): ConfigProblem[] {
  if (mode !== 'serve') return [];
  const problems: ConfigProblem[] = [];
  if (isUnset(env, 'KONSTRUCT_MASTER_KEY')) {
    problems.push({
      variable: 'KONSTRUCT_MASTER_KEY',
      problem: 'is missing; make one with: openssl rand -base64 32, and keep it where it is not lost',
    });
  }
  if ((values.KONSTRUCT_ROLE ?? 'all') !== 'all' && isUnset(env, 'DATABASE_URL')) {
    problems.push({
      variable: 'DATABASE_URL',
      problem: 'is missing; a gateway and a worker of their own need a PostgreSQL that both can reach',
    });
  }
  return problems;
}

/** Of two that are only good together. */
function findHalves({ SLACK_CLIENT_ID, SLACK_CLIENT_SECRET }: ConfigValues): ConfigProblem[] {
  if ((SLACK_CLIENT_ID === null) === (SLACK_CLIENT_SECRET === null)) return [];
  const [variable, other] =
    SLACK_CLIENT_ID === null
      ? ['SLACK_CLIENT_ID', 'SLACK_CLIENT_SECRET']
      : ['SLACK_CLIENT_SECRET', 'SLACK_CLIENT_ID'];
  return [
    { variable, problem: `is missing; ${other} is set, and each is good for nothing without the other` },
  ];
}

function isUnset(env: Environment, name: ConfigVariableName): boolean {
  return (env[name]?.trim() ?? '') === '';
}

const unusedVariables: readonly ConfigVariableName[] = ['OTEL_EXPORTER_OTLP_ENDPOINT'];

function describeUnused(values: ConfigValues): string[] {
  const noWayBack = values.SLACK_CLIENT_ID !== null && values.KONSTRUCT_PUBLIC_URL === null;
  return [
    ...unusedVariables
      .filter((name) => values[name] !== null)
      .map((name) => `${name} is set but has no effect in this version yet.`),
    ...(noWayBack
      ? ['SLACK_CLIENT_ID connects nobody without KONSTRUCT_PUBLIC_URL: browsers have no way back to us.']
      : []),
    ...describeHalfCredentials(values),
  ];
}

/** No problem: they are not only ours, and may be set for another program. */
function describeHalfCredentials(values: ConfigValues): string[] {
  const pair = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const;
  const set = pair.filter((name) => values[name] !== null);
  if (set.length !== 1) return [];
  const missing = pair.find((name) => values[name] === null);
  return [`${set[0]} is set but has no effect without ${missing}.`];
}
