import { HEADER_VALUE } from '../core/header-value.ts';
import { type ProviderKeys, providerNames, type RouteEntry } from '../core/model.ts';
import { acceptedFiles } from './file-tokens.ts';
import type { ModelAccess, Provider } from './provider.ts';
import { providerTable } from './provider-table.ts';

/** A route entry that can be called, with one key or another. Holds keys: never logged. */
export interface ResolvedAccess extends Omit<ModelAccess, 'apiKey'> {
  /** At least one; `null` for a provider that needs none. */
  readonly apiKeys: readonly (string | null)[];
}

export type ResolvedEntry =
  | { readonly kind: 'access'; readonly access: ResolvedAccess }
  /** Why the entry cannot be called, in plain words with what to do. Holds no secret. */
  | {
      readonly kind: 'problem';
      readonly problem: string;
      /** Which of its fields it is about. */
      readonly field: 'provider' | 'model' | 'baseUrl' | 'apiKey' | 'region';
      /** It would be right if the environment had what it lacks. */
      readonly isUnset: boolean;
    };

/**
 * Joins a route entry with keys: the entry's own keys and address go first, then the tenant's, then the installation's.
 * A tenant's keys go to the provider's usual address only, never to one that stands in the entry. Stored routes may be
 * older than this version, so an unknown provider is a problem here and not a crash.
 *
 * @param tenantKeys of this provider; empty: the tenant brought none; `null`: it did, and they cannot be read. The
 *   installation's do not take their place: another would pay, and other terms apply
 */
export function resolveEntry(
  entry: RouteEntry,
  keys: ProviderKeys,
  tenantKeys: readonly string[] | null = [],
): ResolvedEntry {
  if (!Object.hasOwn(providerTable, entry.provider)) {
    return problem(
      'provider',
      `provider "${entry.provider}" is not known; use one of ${providerNames.join(', ')}`,
    );
  }
  const provider = providerTable[entry.provider];
  const model = entry.model.trim();
  if (model === '') return problem('model', 'the model name is empty');
  if (/\s/.test(model))
    return problem('model', 'the model name contains white space; copy it from the provider’s list');
  if (provider.modelShape !== undefined && !provider.modelShape.pattern.test(model)) {
    return problem(
      'model',
      `that is no model name of ${entry.provider}; write it like ${provider.modelShape.example}`,
    );
  }

  const installation = keys[entry.provider];
  const own = [entry.apiKey, ...(entry.apiKeys ?? [])].flatMap(nonEmpty);
  const mayTakeTenantKeys = own.length === 0 && entry.baseUrl === undefined;
  if (mayTakeTenantKeys && tenantKeys === null) {
    return problem(
      'apiKey',
      "the tenant's keys cannot be decrypted; bring back the master key or apply them again",
    );
  }
  const brought = mayTakeTenantKeys ? (tenantKeys ?? []) : [];
  const found = brought.length > 0 ? brought : own.length > 0 ? own : splitKeys(installation?.apiKey);
  if (provider.needsKey && found.length === 0) {
    const more = provider.moreKeyVariables?.join(' and ');
    const variables = `${provider.keyVariable}${more === undefined ? '' : `, or ${more},`}`;
    return problem('apiKey', `there is no key; set ${variables} or give the entry an apiKey`, true);
  }
  const wrongKey = found.map((apiKey) => keyProblem(provider, apiKey)).find((text) => text !== null);
  if (wrongKey !== undefined && wrongKey !== null) return problem('apiKey', wrongKey, own.length === 0);
  if (entry.region !== undefined && provider.regionalBaseUrl === undefined) {
    return problem('region', `${entry.provider} has no regions; remove the region`);
  }
  const region = entry.region ?? installation?.region ?? null;
  // An entry that names a region and no address means the provider's own there, whatever the installation's is.
  const written =
    nonEmpty(entry.baseUrl)[0] ??
    (entry.region === undefined ? nonEmpty(installation?.baseUrl)[0] : undefined);
  const usual =
    region === null
      ? provider.defaultBaseUrl
      : (provider.regionalBaseUrl?.(region) ?? provider.defaultBaseUrl);
  const baseUrl = written === undefined ? usual : completedUrl(provider, written);
  if (baseUrl === null) {
    return written === undefined
      ? problem('baseUrl', `baseUrl is missing; ${addressHint(provider)}`, provider.baseUrlVariable !== null)
      : problem('baseUrl', 'baseUrl is not an http(s) address; write it like https://llm.example.com/v1');
  }
  const accepts = acceptedFiles(entry, provider, model);
  const apiKeys = found.length > 0 ? [...new Set(found)] : [null];
  return {
    kind: 'access',
    access: { provider, model, api: entry.api ?? 'responses', accepts, baseUrl, apiKeys, region },
  };
}

/** A variable of the environment may hold several keys, separated by commas. */
function splitKeys(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap(nonEmpty);
}

function problem(
  field: Extract<ResolvedEntry, { kind: 'problem' }>['field'],
  text: string,
  isUnset = false,
): ResolvedEntry {
  return { kind: 'problem', problem: text, field, isUnset };
}

function keyProblem(provider: Provider, apiKey: string): string | null {
  if (HEADER_VALUE.test(apiKey)) return provider.keyProblem?.(apiKey) ?? null;
  return 'the key has a line break or another character in it that no key has; copy it again';
}

function addressHint({ baseUrlVariable }: Provider): string {
  return baseUrlVariable === null
    ? 'give the address of the server, such as https://llm.example.com/v1'
    : `set ${baseUrlVariable}, or give the entry the address of the server`;
}

function completedUrl(provider: Provider, written: string): string | null {
  const url = URL.parse(written);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  return provider.completeBaseUrl(written);
}

function nonEmpty(value: string | undefined): readonly string[] {
  return value === undefined || value.trim() === '' ? [] : [value.trim()];
}
