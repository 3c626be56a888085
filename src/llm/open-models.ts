import type { ProviderKeys, RouteEntry } from '../core/model.ts';
import type { CallableModel, Provider, ProviderIo } from './provider.ts';
import { resolveEntry } from './resolve-entry.ts';

export type OpenedModel =
  | { readonly kind: 'model'; readonly model: CallableModel; readonly provider: Provider }
  | { readonly kind: 'problem'; readonly problem: string };

/** More routes than this are rebuilt now and then, which costs microseconds. */
const MAX_OPEN_MODELS = 500;

/**
 * Opens the model of a route entry once and keeps it. Routes come as fresh objects from the store, so entries are told
 * apart by what they say. The least recently used is dropped at the bound: a key that was replaced does not stay.
 */
export function createModelOpener(
  keys: ProviderKeys,
  io: ProviderIo,
): (entry: RouteEntry) => Promise<OpenedModel> {
  const opened = new Map<string, Promise<OpenedModel>>();
  return (entry) => {
    const key = JSON.stringify([entry.provider, entry.model, entry.baseUrl, entry.apiKey]);
    const opening = opened.get(key) ?? open(entry);
    opened.delete(key);
    opened.set(key, opening);
    if (opened.size > MAX_OPEN_MODELS) {
      const [oldest] = opened.keys();
      if (oldest !== undefined) opened.delete(oldest);
    }
    return opening;
  };

  async function open(entry: RouteEntry): Promise<OpenedModel> {
    const resolved = resolveEntry(entry, keys);
    if (resolved.kind === 'problem') return resolved;
    const { provider } = resolved.access;
    try {
      return { kind: 'model', provider, model: await provider.openModel(resolved.access, io) };
    } catch (error) {
      // The package is not installed (they are only loaded here) or refuses the settings.
      const code = (error as NodeJS.ErrnoException | null)?.code ?? 'unexpected error';
      return { kind: 'problem', problem: `the client for ${provider.name} could not be opened (${code})` };
    }
  }
}
