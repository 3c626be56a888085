import type { CallableModel, ModelAccess, ProviderIo } from './provider.ts';

export type OpenedModel =
  | { readonly kind: 'model'; readonly model: CallableModel }
  | { readonly kind: 'problem'; readonly problem: string };

export type OpenModel = (access: ModelAccess, connectMs: number) => Promise<OpenedModel>;

/** More of them are rebuilt now and then, which costs microseconds. */
const MAX_OPEN_MODELS = 500;

/**
 * Opens a model with one key once and keeps it. Routes come as fresh objects from the store, so models are told apart by
 * all that they are called with: one tenant's is never another's. The least recently used is dropped at the bound: a key
 * that was replaced does not stay. What could not be opened is tried again: files may have run out for a moment.
 */
export function createModelOpener(io: ProviderIo): OpenModel {
  const opened = new Map<string, Promise<OpenedModel>>();
  return (access, connectMs) => {
    const { provider, model, api, baseUrl, apiKey, region } = access;
    const key = `${provider.name}\n${model}\n${api}\n${baseUrl}\n${region}\n${connectMs}\n${apiKey}`;
    const opening = opened.get(key) ?? open(access, connectMs);
    opened.delete(key);
    opened.set(key, opening);
    if (opened.size > MAX_OPEN_MODELS) {
      const [oldest] = opened.keys();
      if (oldest !== undefined) opened.delete(oldest);
    }
    void opening.then(({ kind }) => {
      if (kind === 'problem' && opened.get(key) === opening) opened.delete(key);
    });
    return opening;
  };

  async function open(access: ModelAccess, connectMs: number): Promise<OpenedModel> {
    const { fetch: plain } = io;
    const fetch: typeof globalThis.fetch = (input, init) =>
      plain(input, { ...init, connectTimeoutMs: connectMs } as RequestInit);
    try {
      return { kind: 'model', model: await access.provider.openModel(access, { ...io, fetch }) };
    } catch (error) {
      // The package is not installed (they are only loaded here) or refuses the settings.
      const code = (error as NodeJS.ErrnoException | null)?.code ?? 'unexpected error';
      return {
        kind: 'problem',
        problem: `the client for ${access.provider.name} could not be opened (${code})`,
      };
    }
  }
}
