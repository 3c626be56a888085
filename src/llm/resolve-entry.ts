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
  | { readonly kind: 'problem'; readonly problem: string };

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
    return problem(`provider "${entry.provider}" is not known; use one of ${providerNames.join(', ')}`);
  }
  const provider = providerTable[entry.provider];
  const model = entry.model.trim();
  if (model === '') return problem('the model name is empty');
  if (/\s/.test(model))
    return problem('the model name contains white space; copy it from the provider’s list');
  if (provider.modelShape !== undefined && !provider.modelShape.pattern.test(model)) {
    return problem(
      `that is no model name of ${entry.provider}; write it like ${provider.modelShape.example}`,
    );
  }

  const installation = keys[entry.provider];
  const own = [entry.apiKey, ...(entry.apiKeys ?? [])].flatMap(nonEmpty);
  const mayTakeTenantKeys = own.length === 0 && entry.baseUrl === undefined;
  if (mayTakeTenantKeys && tenantKeys === null) {
    return problem("the tenant's keys cannot be decrypted; bring back the master key or apply them again");
  }
  const brought = mayTakeTenantKeys ? (tenantKeys ?? []) : [];
  const found = brought.length > 0 ? brought : own.length > 0 ? own : splitKeys(installation?.apiKey);
  if (provider.needsKey && found.length === 0) {
    return problem(`there is no key; set ${provider.keyVariable} or give the entry an apiKey`);
  }
  const written = nonEmpty(entry.baseUrl)[0] ?? nonEmpty(installation?.baseUrl)[0];
  const baseUrl = written === undefined ? provider.defaultBaseUrl : completedUrl(provider, written);
  if (baseUrl === null) {
    return problem(
      written === undefined
        ? 'baseUrl is missing; give the address of the server, such as https://llm.example.com/v1'
        : 'baseUrl is not an http(s) address; write it like https://llm.example.com/v1',
    );
  }
  const accepts = acceptedFiles(entry, provider, model);
  const apiKeys = found.length > 0 ? [...new Set(found)] : [null];
  return {
    kind: 'access',
    access: { provider, model, api: entry.api ?? 'responses', accepts, baseUrl, apiKeys },
  };
}

/** A variable of the environment may hold several keys, separated by commas. */
function splitKeys(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').flatMap(nonEmpty);
}

function problem(text: string): ResolvedEntry {
  return { kind: 'problem', problem: text };
}

function completedUrl(provider: Provider, written: string): string | null {
  const url = URL.parse(written);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  return provider.completeBaseUrl(written);
}

function nonEmpty(value: string | undefined): readonly string[] {
  return value === undefined || value.trim() === '' ? [] : [value.trim()];
}
