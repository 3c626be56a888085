import { expect, it } from 'vitest';
import { createModelOpener } from './open-models.ts';
import type { CallableModel, ModelAccess, Provider } from './provider.ts';
import { ollama } from './providers/ollama.ts';

const io = { fetch: globalThis.fetch, sleep: async () => undefined, demoDelayMs: 0 };
const model: CallableModel = {
  doGenerate: () => Promise.reject(new Error('not called')),
  doStream: () => Promise.reject(new Error('not called')),
};

it('tries again what could not be opened, and keeps what was', async () => {
  let tries = 0;
  const provider: Provider = {
    ...ollama,
    async openModel() {
      tries += 1;
      if (tries === 1) throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
      return model;
    },
  };
  const access: ModelAccess = {
    provider,
    model: 'llama3.2',
    api: 'chat',
    accepts: [],
    baseUrl: 'http://127.0.0.1:1/v1',
    apiKey: null,
    region: null,
  };
  const open = createModelOpener(io);
  expect(await open(access, 100)).toEqual({
    kind: 'problem',
    problem: 'the client for ollama could not be opened (EMFILE)',
  });
  expect(await open(access, 100)).toEqual({ kind: 'model', model });
  expect(await open(access, 100)).toEqual({ kind: 'model', model });
  expect(tries).toBe(2);
});
