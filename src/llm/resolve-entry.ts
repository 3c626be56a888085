import { type ProviderKeys, providerNames, type RouteEntry } from '../core/model.ts';
import type { ModelAccess, Provider } from './provider.ts';
import { providerTable } from './provider-table.ts';

export type ResolvedEntry =
  | { readonly kind: 'access'; readonly access: ModelAccess }
  /** Why the entry cannot be called, in plain words with what to do. Holds no secret. */
  | { readonly kind: 'problem'; readonly problem: string };

/**
 * Joins a route entry with the installation's keys: the entry's own key and address go first. Stored routes may be
 * older than this version, so an unknown provider is a problem here and not a crash.
 */
export function resolveEntry(entry: RouteEntry, keys: ProviderKeys): ResolvedEntry {
  if (!Object.hasOwn(providerTable, entry.provider)) {
    return problem(`provider "${entry.provider}" is not known; use one of ${providerNames.join(', ')}`);
  }
  const provider = providerTable[entry.provider];
  if (entry.model.trim() === '') return problem('the model name is empty');

  const key = keys[entry.provider];
  const apiKey = nonEmpty(entry.apiKey) ?? nonEmpty(key?.apiKey);
  if (provider.needsKey && apiKey === null) {
    return problem(`there is no key; set ${provider.keyVariable} or give the entry an apiKey`);
  }
  const written = nonEmpty(entry.baseUrl) ?? nonEmpty(key?.baseUrl);
  const baseUrl = written === null ? provider.defaultBaseUrl : completedUrl(provider, written);
  if (baseUrl === null) {
    return problem(
      written === null
        ? 'baseUrl is missing; give the address of the server, such as https://llm.example.com/v1'
        : 'baseUrl is not an http(s) address; write it like https://llm.example.com/v1',
    );
  }
  return { kind: 'access', access: { provider, model: entry.model, baseUrl, apiKey } };
}

function problem(text: string): ResolvedEntry {
  return { kind: 'problem', problem: text };
}

function completedUrl(provider: Provider, written: string): string | null {
  const url = URL.parse(written);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return null;
  return provider.completeBaseUrl(written);
}

function nonEmpty(value: string | undefined): string | null {
  return value === undefined || value.trim() === '' ? null : value.trim();
}
