import { z } from 'zod';
import { providerNames, type Route } from '../core/model.ts';
import type { Credentials } from '../core/tenant.ts';
import type { Budget } from '../stores/tenants.ts';
import { allowedOnly } from './describe-issue.ts';

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
  readonly budget: Budget;
  /** Turns at a time; `null`: what the installation says. */
  readonly maxConcurrentTurns: number | null;
  readonly agents: readonly AgentSpec[] | null;
  readonly connections: readonly ConnectionSpec[] | null;
}

export interface AgentSpec {
  readonly slug: string;
  readonly name: string;
  readonly role: string;
  readonly persona: string;
  readonly instructions: string;
  readonly route: string;
  readonly placeholder: string;
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
  readonly credentials: Credentials;
  readonly settings: { readonly ratePerMinute?: number; readonly followMinutes?: number };
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

const usd = number(z.number().min(0).max(99_999_999)).refine(
  (value) => Math.abs(value * 10_000 - Math.round(value * 10_000)) < 1e-6,
  'has more than four decimals; round it',
);

const budgetShape = { dailyUsd: usd.nullable().default(null), monthlyUsd: usd.nullable().default(null) };

/** The defaults of what an agent leaves out; the columns of the table have the same. */
export const agentDefaults = {
  role: '',
  persona: '',
  instructions: '',
  route: 'default',
  placeholder: 'Thinking…',
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
  tools: z.array(line).max(100).nullable().default(agentDefaults.tools),
};

const settingsShape = {
  ratePerMinute: number(z.number().int().min(1).max(100_000)).exactOptional(),
  followMinutes: number(z.number().min(0).max(10_080)).exactOptional(),
};

const connectionShape = {
  channel: line,
  externalId: line,
  appId: z.string().trim().max(200).default(''),
  agent: line,
  enabled: z.boolean().nullable().default(null),
  credentials: z.record(z.string(), z.string().min(1)),
  settings: allowedOnly(settingsShape).default({}),
};

const tenantShape = {
  slug,
  name: line,
  budget: allowedOnly(budgetShape).default({ dailyUsd: null, monthlyUsd: null }),
  maxConcurrentTurns: number(z.number().int().min(1).max(10_000)).nullable().default(null),
  agents: z.array(allowedOnly(agentShape)).nullable().default(null),
  connections: z.array(allowedOnly(connectionShape)).nullable().default(null),
};

const routeEntryShape = {
  provider: z.enum(providerNames),
  model: line,
  baseUrl: z.url({ protocol: /^https?$/ }).exactOptional(),
  apiKey: z.string().min(1).exactOptional(),
};

const routes = z
  .record(line, z.array(allowedOnly(routeEntryShape)).min(1))
  .transform((map) => Object.entries(map).map(([name, entries]) => ({ name, entries })));

/** Every rule that concerns one value only; what concerns several is in `check-references.ts`. */
export const configFileSchema: z.ZodType<ConfigFile> = allowedOnly({
  routes: routes.nullable().default(null),
  tenants: z.array(allowedOnly(tenantShape)).nullable().default(null),
});
