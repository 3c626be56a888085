import { z } from 'zod';
import { HEADER_VALUE } from '../core/header-value.ts';
import { fileKinds, providerNames, type Route, type TenantModelKeys } from '../core/model.ts';
import { secretInAddress } from '../core/secret-in-address.ts';
import {
  type Budget,
  type BusyMode,
  busyModes,
  type ConnectionSettings,
  type Credentials,
  type TurnLimits,
  turnLimitDefaults,
} from '../core/tenant.ts';
import { allowedOnly, describeIssue } from './describe-issue.ts';

/**
 * What a konstruct.yaml says, complete: what it leaves out has its default. A section that is left out altogether
 * (`null`) says nothing about its subject: `--prune` removes tenants only when there is a `tenants` section that does
 * not have them.
 */
export interface ConfigFile {
  readonly routes: readonly Route[] | null;
  readonly tenants: readonly TenantSpec[] | null;
}

export interface TenantSpec {
  readonly slug: string;
  readonly name: string;
  /** IANA name. */
  readonly timeZone: string;
  readonly budget: Budget;
  /** Turns at a time; `null`: what the installation says. */
  readonly maxConcurrentTurns: number | null;
  /** For each person who writes to the tenant's agents. */
  readonly personBudget: Budget;
  readonly agents: readonly AgentSpec[] | null;
  readonly connections: readonly ConnectionSpec[] | null;
  /** The tenant's own keys for model providers, all of them; `null`: as they are. */
  readonly keys: TenantModelKeys | null;
}

export interface AgentSpec {
  readonly slug: string;
  readonly name: string;
  readonly role: string;
  readonly persona: string;
  readonly instructions: string;
  readonly route: string;
  readonly placeholder: string;
  readonly icon: string | null;
  readonly busyMode: BusyMode;
  readonly budget: Budget;
  readonly limits: Required<TurnLimits>;
  /** `null`: all that are built in. */
  readonly tools: readonly string[] | null;
}

export interface ConnectionSpec {
  readonly channel: string;
  readonly externalId: string;
  /** Empty: any app. */
  readonly appId: string;
  /** Slug of the agent that answers. */
  readonly agent: string;
  /** `null`: as it is; a new one is enabled. */
  readonly enabled: boolean | null;
  /** `null`: those that somebody installed in a browser. */
  readonly credentials: Credentials | null;
  readonly settings: ConnectionSettings;
}

const slug = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'must be 1 to 63 lower-case letters, digits and hyphens, and not begin with a hyphen',
  );
const line = z.string().trim().min(1).max(200);
const text = z.string().max(100_000);

/** A number, or the text of one: `ratePerMinute: ${RATE}` comes from the environment as text. */
function number(schema: z.ZodNumber) {
  return z.preprocess((value) => {
    return typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
  }, schema);
}

/** More in 1e-9 US dollars is no safe integer. */
const usd = number(z.number().min(0).max(9_000_000)).refine(
  (value) => Math.abs(value * 10_000 - Math.round(value * 10_000)) < 1e-6,
  'has more than four decimals; round it',
);

const tokens = number(z.number().int().min(0).max(Number.MAX_SAFE_INTEGER));

const budgetShape = {
  dailyUsd: usd.nullable().default(null),
  monthlyUsd: usd.nullable().default(null),
  dailyTokens: tokens.nullable().default(null),
  monthlyTokens: tokens.nullable().default(null),
};
const budget = allowedOnly(budgetShape).prefault({});

const timeZone = z
  .string()
  .refine(isTimeZone, 'is not a time zone of the IANA list; write it like Europe/Berlin, or UTC');

/** Offsets (`+02:00`) are none: they know nothing of summer. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** What platforms take for a face: Slack an address or the name of an emoji, others an address. */
const icon = z
  .string()
  .max(1_000)
  .regex(
    /^(https:\/\/[^\s/]+\/\S+|:[a-z0-9_+'-]{1,100}:)$/,
    'is neither the https address of a picture nor an emoji such as :owl:',
  );

/** The defaults of what an agent leaves out; the columns of the table have the same. */
export const agentDefaults = {
  role: '',
  persona: '',
  instructions: '',
  route: 'default',
  placeholder: 'Thinking…',
  icon: null,
  busyMode: 'queue',
  tools: null,
} as const;

const agentShape = {
  slug,
  name: line,
  role: z.string().trim().max(200).default(agentDefaults.role),
  persona: text.default(agentDefaults.persona),
  instructions: text.default(agentDefaults.instructions),
  route: line.default(agentDefaults.route),
  placeholder: line.default(agentDefaults.placeholder),
  icon: icon.nullable().default(agentDefaults.icon),
  busyMode: z.enum(busyModes).default(agentDefaults.busyMode),
  budget,
  limits: allowedOnly({
    maxSteps: number(z.number().int().min(1).max(1_000)).default(turnLimitDefaults.maxSteps),
    maxToolCalls: number(z.number().int().min(0).max(1_000)).default(turnLimitDefaults.maxToolCalls),
    maxTurnSeconds: number(z.number().int().min(1).max(86_400)).default(turnLimitDefaults.maxTurnSeconds),
    maxTurnUsd: usd.nullable().default(turnLimitDefaults.maxTurnUsd),
  }).prefault({}),
  tools: z.array(line).max(100).nullable().default(agentDefaults.tools),
};

/** As WhatsApp names templates and languages. */
const TEMPLATE = /^[a-z0-9_]{1,512}\/[a-z]{2,3}(?:_[A-Z]{2,3})?$/;
/** As a browser names the site that a page is of; anything else would never be equal to it. */
const origin = z
  .string()
  .refine(
    isOrigin,
    'is not a site as browsers name it; write it like https://www.example.com, without a path',
  );

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text;
}

const settingsShape = {
  ratePerMinute: number(z.number().int().min(1).max(100_000)).exactOptional(),
  followMinutes: number(z.number().min(0).max(10_080)).exactOptional(),
  editWindowMinutes: number(z.number().min(0).max(10_080)).exactOptional(),
  onDeletion: z.enum(['keep', 'retract']).exactOptional(),
  template: z
    .string()
    .regex(TEMPLATE, 'must be the name of a template and its language: late_answer/en')
    .exactOptional(),
  streaming: z.literal([true, false, 'native']).exactOptional(),
  stopWords: z.array(z.string().trim().min(1).max(50)).max(50).exactOptional(),
  allowedOrigins: z.array(origin).max(50).exactOptional(),
  allowAnonymous: z.boolean().exactOptional(),
  title: line.exactOptional(),
  greeting: z.string().trim().min(1).max(2_000).exactOptional(),
  simulated: z.boolean().exactOptional(),
  suggestedPrompts: z.array(z.string().trim().min(1).max(200)).max(4).exactOptional(),
};

const connectionShape = {
  channel: line,
  externalId: line,
  appId: z.string().trim().max(200).default(''),
  agent: line,
  enabled: z.boolean().nullable().default(null),
  credentials: z.record(z.string(), z.string().min(1)).nullable().default(null),
  settings: allowedOnly(settingsShape).default({}),
};

const anyKey = z
  .string()
  .trim()
  .min(1)
  .regex(HEADER_VALUE, 'has a line break or another character in it that no key has; copy it again');
const key = anyKey.max(2_000);
const ownKeys = z
  .preprocess((value) => (typeof value === 'string' ? [value] : value), z.array(key).min(1).max(50))
  .exactOptional();

/** Those that have an address of their own: a tenant's key goes to no other. */
const modelKeysShape = {
  anthropic: ownKeys,
  openai: ownKeys,
  google: ownKeys,
  bedrock: ownKeys,
  azure: ownKeys,
  mistral: ownKeys,
  groq: ownKeys,
  openrouter: ownKeys,
};

const tenantShape = {
  slug,
  name: line,
  timeZone: timeZone.default('UTC'),
  budget,
  personBudget: budget,
  maxConcurrentTurns: number(z.number().int().min(1).max(10_000)).nullable().default(null),
  agents: z.array(allowedOnly(agentShape)).nullable().default(null),
  connections: z.array(allowedOnly(connectionShape)).nullable().default(null),
  keys: allowedOnly(modelKeysShape).nullable().default(null),
};

const usdPerMillion = number(z.number().min(0).max(1_000_000));

const routeEntryShape = {
  provider: z.enum(providerNames),
  model: line,
  baseUrl: z
    .url({ protocol: /^https?$/ })
    .superRefine((address, context) => {
      const secret = secretInAddress(address);
      if (secret === null) return;
      const message = `holds ${secret}, and an address is no secret; leave it out and give the key as apiKey: "\${NAME}"`;
      context.addIssue({ code: 'custom', message });
    })
    .exactOptional(),
  region: z
    .string()
    .regex(/^[a-z0-9-]+$/, 'is no region; write it like eu-central-1')
    .exactOptional(),
  apiKey: anyKey.exactOptional(),
  apiKeys: z.array(key).min(1).max(50).exactOptional(),
  api: z.enum(['responses', 'chat']).exactOptional(),
  accepts: z.array(z.enum(fileKinds)).exactOptional(),
  weight: number(z.number().min(0).max(1_000_000)).exactOptional(),
  contextTokens: number(z.number().int().min(1).max(100_000_000)).exactOptional(),
  maxOutputTokens: number(z.number().int().min(1).max(10_000_000)).exactOptional(),
  price: allowedOnly({
    inputUsdPerMillion: usdPerMillion,
    outputUsdPerMillion: usdPerMillion,
    cachedInputUsdPerMillion: usdPerMillion.exactOptional(),
    cacheWriteUsdPerMillion: usdPerMillion.exactOptional(),
  }).exactOptional(),
};

const waitMs = number(z.number().int().min(1).max(3_600_000)).exactOptional();

const entries = z.array(allowedOnly(routeEntryShape)).min(1);

/** A route that says more than its entries. */
const longRoute = allowedOnly({
  entries,
  hedgeAfterMs: number(z.number().int().min(0).max(3_600_000)).exactOptional(),
  onRefusal: z.enum(['answer', 'next']).exactOptional(),
  timeouts: allowedOnly({
    connectMs: waitMs,
    firstTokenMs: waitMs,
    idleMs: waitMs,
    totalMs: waitMs,
  }).exactOptional(),
});

/** A list of entries, or an object with them: one of the two is meant, and its problems are the ones to tell. */
const route = z.unknown().transform((value, context): Omit<Route, 'name'> => {
  const result = Array.isArray(value)
    ? entries.transform((list) => ({ entries: list })).safeParse(value, { error: describeIssue })
    : longRoute.safeParse(value, { error: describeIssue });
  if (result.success) return result.data;
  for (const issue of result.error.issues) {
    // As it stands: whoever reads the issues looks at the code, the path and, of unknown keys, at which.
    context.issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
  }
  return z.NEVER;
});

const routes = z
  .record(line, route)
  .transform((map) => Object.entries(map).map(([name, rest]) => ({ name, ...rest })));

/** Every rule that concerns one value only; what concerns several is in `check-references.ts`. */
export const configFileSchema: z.ZodType<ConfigFile> = allowedOnly({
  routes: routes.nullable().default(null),
  tenants: z.array(allowedOnly(tenantShape)).nullable().default(null),
});
