import type { ProviderKeys, RouteEntry } from '../core/model.ts';
import { nearestName } from '../core/nearest-name.ts';
import { keyIdOf } from './create-key-states.ts';
import { createKeepAliveFetch } from './keep-alive-fetch.ts';
import type { ModelAccess } from './provider.ts';
import { resolveEntry } from './resolve-entry.ts';

export type ProviderCheck =
  | {
      readonly kind: 'ok';
      readonly note: string | null;
      /** Nobody said whether there is this model. */
      readonly isUntold?: true;
    }
  | {
      readonly kind: 'problem';
      readonly problem: string;
      readonly remedy: string;
      /** Which field of the entry it is about. */
      readonly field: 'provider' | 'model' | 'baseUrl' | 'apiKey' | 'region';
      /** Whether the provider said no to the model; everything else may be otherwise elsewhere or later. */
      readonly isCertain: boolean;
    };

export interface CheckOptions {
  readonly keys: ProviderKeys;
  /** The tenant's own keys for the provider; absent: the installation's are checked. */
  readonly tenantKeys?: readonly string[];
  readonly signal: AbortSignal;
  /** Deadline of the whole check, in ms. */
  readonly timeoutMs?: number;
  readonly fetch?: typeof globalThis.fetch;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const MAX_NAMES = 8;

/**
 * Asks a provider whether a route entry would work: address, key and model name. It reads the provider's description
 * of the model (`GET /models/{model}`) with every key, which costs no tokens. Never throws, except when the signal ends it.
 */
export async function checkProvider(entry: RouteEntry, options: CheckOptions): Promise<ProviderCheck> {
  const resolved = resolveEntry(entry, options.keys, options.tenantKeys);
  if (resolved.kind === 'problem') {
    const text = `${entry.provider} ${entry.model}: ${resolved.problem}`;
    return problem(resolved.field, text, 'Correct the route entry.');
  }
  const { apiKeys, ...access } = resolved.access;
  let result: ProviderCheck = ok(null);
  for (const [index, apiKey] of apiKeys.entries()) {
    const checked = await checkKey({ ...access, apiKey }, options);
    if (checked.kind === 'problem') {
      const which =
        apiKeys.length === 1 ? '' : ` (key ${index + 1} of ${apiKeys.length}, ${keyIdOf(apiKey ?? '')})`;
      return { ...checked, problem: `${checked.problem}${which}` };
    }
    result = checked;
  }
  return result;
}

async function checkKey(access: ModelAccess, options: CheckOptions): Promise<ProviderCheck> {
  const headers = access.provider.authHeaders(access.apiKey);
  if (headers === null) return ok('answers are scripted; set a model key for real ones');
  const { tells = 'models' } = access.provider;
  if (tells === 'nothing') return untold('it cannot be asked without paying for an answer; not checked');

  const fetch = options.fetch ?? createKeepAliveFetch();
  const timeout = AbortSignal.timeout(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const signal = AbortSignal.any([options.signal, timeout]);
  const get = (path: string) => fetch(`${access.baseUrl}${path}`, { headers, signal });
  try {
    if (tells === 'key') {
      const answer = readStatus(access, (await get('/models')).status);
      const isAccepted = answer.kind === 'ok' && answer.note === null;
      return isAccepted
        ? untold('the key is right; it does not tell its deployments, so the model is not checked')
        : answer;
    }
    const response = await get(`/models/${encodeURIComponent(access.model)}`);
    if (response.status === 404 || response.status === 405) return await checkList(access, get);
    return readStatus(access, response.status);
  } catch (error) {
    options.signal.throwIfAborted();
    const why = timeout.aborted ? 'did not answer in time' : `cannot be reached${code(error)}`;
    return problem(
      'baseUrl',
      `${access.provider.name} at ${host(access)} ${why}`,
      'Check the address and the network of this machine (firewall, proxy, DNS).',
    );
  }
}

/** Some compatible servers describe no single model, and all of them say 404 for one they do not have. */
async function checkList(
  access: ModelAccess,
  get: (path: string) => Promise<Response>,
): Promise<ProviderCheck> {
  const response = await get('/models');
  if (response.status === 404 || response.status === 405) {
    return access.provider.needsKey
      ? problem(
          'baseUrl',
          `${access.provider.name} at ${host(access)} has no model API there`,
          'Check the base URL; it usually ends in /v1.',
        )
      : untold('the server is there, but it does not tell which models it has');
  }
  if (!response.ok) return readStatus(access, response.status);
  const names = modelNames(await response.text());
  if (names.some((name) => name === access.model || name === `${access.model}:latest`)) return ok(null);
  const meant = nearestName(access.model, names);
  const known =
    names.length === 0
      ? ''
      : `; ${meant === null ? '' : `did you mean ${meant}? `}it has ${names.slice(0, MAX_NAMES).join(', ')}`;
  return problem(
    'model',
    `${access.provider.name} does not have the model ${access.model}${known}`,
    access.provider.name === 'ollama'
      ? `Run \`ollama pull ${access.model}\` or name another model in the route.`
      : 'Name another model in the route, or ask the provider for access to this one.',
    // A server of somebody's own may load a model later, or pass on what it does not list.
    access.provider.needsKey && names.length > 0,
  );
}

function readStatus(access: ModelAccess, status: number): ProviderCheck {
  const who = `${access.provider.name} at ${host(access)}`;
  if (status >= 200 && status < 300) return ok(null);
  const refusesKey =
    status === 401 || status === 403 || (status === 400 && access.provider.name === 'google');
  if (refusesKey) {
    const where = access.provider.keyVariable ?? 'the apiKey of the route entry';
    return problem(
      'apiKey',
      `${who} refuses the key (${status})`,
      `Check ${where}; keys are made in the provider’s console.`,
    );
  }
  // A provider that is busy has accepted key and address; that it is busy is no fault of the configuration.
  if (status === 429 || status >= 500) return untold(`${who} is busy or down just now (${status})`);
  return problem(
    'baseUrl',
    `${who} answered with status ${status}`,
    'Check the base URL; it usually ends in /v1.',
  );
}

/** Names in `{ data: [{ id }] }` (OpenAI, Anthropic) or `{ models: [{ name: "models/…" }] }` (Gemini). */
function modelNames(body: string): readonly string[] {
  try {
    const parsed = JSON.parse(body) as {
      readonly data?: readonly { readonly id?: unknown }[];
      readonly models?: readonly { readonly name?: unknown }[];
    };
    const names = [
      ...(parsed.data ?? []).map(({ id }) => id),
      ...(parsed.models ?? []).map(({ name }) => name),
    ];
    return names.flatMap((name) => (typeof name === 'string' ? [name.replace(/^models\//, '')] : []));
  } catch {
    return [];
  }
}

/** The address without path, user or password. */
function host(access: ModelAccess): string {
  return new URL(access.baseUrl).host;
}

function code(error: unknown): string {
  const value = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof value === 'string' ? ` (${value})` : '';
}

function ok(note: string | null): ProviderCheck {
  return { kind: 'ok', note };
}

function untold(note: string): ProviderCheck {
  return { kind: 'ok', note, isUntold: true };
}

function problem(
  field: Extract<ProviderCheck, { kind: 'problem' }>['field'],
  text: string,
  remedy: string,
  isCertain = false,
): ProviderCheck {
  return { kind: 'problem', problem: text, remedy, field, isCertain };
}
