import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/** What a process has loaded of the providers' packages, by the modules that Node resolved. */
async function loadedPackages(script: string): Promise<readonly string[]> {
  const program = `
    import { registerHooks } from 'node:module';
    const seen = new Set();
    registerHooks({
      load(url, context, next) {
        const found = /node_modules\\/(@ai-sdk\\/[^/]+|@smithy\\/[^/]+|aws4fetch|ai)\\//.exec(url);
        if (found) seen.add(found[1]);
        return next(url, context);
      },
    });
    ${script}
    console.log(JSON.stringify([...seen].sort()));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: new URL('../..', import.meta.url),
  });
  return JSON.parse(stdout) as readonly string[];
}

const pool = (provider: string) => `
  const { createModelPool } = await import('./src/llm/create-model-pool.ts');
  const silent = () => undefined;
  const models = createModelPool({
    routes: async () => null, keys: {}, clock: Date.now, random: Math.random, sleep: async () => undefined,
    budget: { reserve: async () => { throw new Error('not called'); } },
    log: { debug: silent, info: silent, warn: silent, error: silent },
  });
  const entry = { provider: '${provider}', model: 'vendor.model', apiKey: 'k', baseUrl: 'http://127.0.0.1:1' };
  await models.prepare({ name: 'default', entries: [entry] });`;

describe('the packages of providers', () => {
  it('are not loaded at start, neither by the pool nor by what stands around it', async () => {
    expect(
      await loadedPackages(`await import('./src/app.ts'); await import('./src/cli/commands.ts');`),
    ).toEqual([
      '@ai-sdk/provider', // the errors they share; it depends on none of them
    ]);
  });

  it('are loaded one by one, when a route names them', async () => {
    const loaded = await loadedPackages(pool('mistral'));
    expect(loaded).toEqual(['@ai-sdk/mistral', '@ai-sdk/provider', '@ai-sdk/provider-utils']);
    expect(await loadedPackages(pool('bedrock'))).toContain('@ai-sdk/amazon-bedrock');
    expect(await loadedPackages(pool('demo'))).toEqual(['@ai-sdk/provider']);
  });
});
