import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import { type ModelServer, startModelServer } from '../support/model-server.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { runKonstruct } from '../support/run-konstruct.ts';

const masterKey = randomBytes(32).toString('base64');

let folder: string;
let server: TestDatabase;
let model: ModelServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'konstruct-apply-'));
  [server, model] = await Promise.all([
    createMigratedDatabase(),
    startModelServer({ apiKey: 'key-1', models: ['claude-sonnet-4-5', 'claude-haiku-4-5'] }),
  ]);
});
afterAll(async () => {
  await model?.close();
  await server?.drop();
  await rm(folder, { recursive: true, force: true });
});

/** `konstruct apply` of a file, as a process of its own. */
async function apply(yaml: string, args = '', env: Readonly<Record<string, string>> = {}) {
  await writeFile(join(folder, 'konstruct.yaml'), yaml);
  const { stdout, stderr, code } = await runKonstruct(`apply -f konstruct.yaml ${args}`, {
    cwd: folder,
    env: {
      KONSTRUCT_MASTER_KEY: masterKey,
      DATABASE_URL: server.url,
      ANTHROPIC_BASE_URL: model.urls.anthropic,
      ...env,
    },
  });
  return { stdout, stderr: stderr.trimEnd().split('\n'), code };
}

const tenant = (more = '') => `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }]
    ${more}
`;
const anthropic = (name = 'claude-sonnet-4-5') => `
routes:
  default:
    - { provider: anthropic, model: ${name} }
`;
const key = { ANTHROPIC_API_KEY: 'key-1' };
const noKey =
  '  konstruct.yaml:4:7: routes.default[0].apiKey (anthropic claude-sonnet-4-5): there is no key; set ANTHROPIC_API_KEY or give the entry an apiKey, or apply with --keys-elsewhere if the processes that answer have it.';

describe('konstruct apply refuses, with file, line and what to do,', { timeout: 60_000 }, () => {
  it('an unknown provider, an address that is none, a negative budget, all at once', async () => {
    const { code, stderr } = await apply(`routes:
  default:
    entries:
      - { provider: antropic, model: claude-sonnet-4-5 }
      - { provider: openai, model: gpt-5.4, apiKey: k, baseUrl: localhost:8080 }
tenants:
  - slug: acme
    name: Acme
    budget: { dailyUsd: -1, monthlyTokens: -5 }
    agents: [{ slug: ada, name: Ada, budget: { monthlyUsd: -0.5 }, limits: { maxTurnUsd: -2 } }]
`);
    expect(code).toBe(1);
    expect(stderr).toEqual([
      'konstruct: The file has 6 problems:',
      expect.stringMatching(
        /^ {2}konstruct\.yaml:4:21: routes\.default\.entries\[0\]\.provider must be one of .*; did you mean anthropic\?$/,
      ),
      '  konstruct.yaml:5:65: routes.default.entries[1].baseUrl is not an http(s) address; write it like https://llm.example.com/v1.',
      '  konstruct.yaml:9:25: tenants[0].budget.dailyUsd must be at least 0.',
      '  konstruct.yaml:9:44: tenants[0].budget.monthlyTokens must be at least 0.',
      '  konstruct.yaml:10:60: tenants[0].agents[0].budget.monthlyUsd must be at least 0.',
      '  konstruct.yaml:10:90: tenants[0].agents[0].limits.maxTurnUsd must be at least 0.',
    ]);
  });

  it('a model that the provider does not have', async () => {
    const { code, stderr } = await apply(anthropic('claude-sonet-4-5') + tenant(), '', key);
    expect(code).toBe(1);
    expect(stderr[1]).toBe(
      '  konstruct.yaml:4:37: routes.default[0].model (anthropic claude-sonet-4-5): anthropic does not have the model claude-sonet-4-5; did you mean claude-sonnet-4-5? it has claude-sonnet-4-5, claude-haiku-4-5. Name another model in the route, or ask the provider for access to this one.',
    );
    expect(model.requests).toHaveLength(0);
  });

  it('a model without a price under a budget in US dollars, in a long route too', async () => {
    const { code, stderr } = await apply(
      `
routes:
  default:
    entries:
      - provider: anthropic
        model: claude-nobody-knows-9
${tenant('budget: { dailyUsd: 1 }')}`,
      '--offline',
      key,
    );
    expect(code).toBe(1);
    expect(stderr[1]).toMatch(
      /^ {2}konstruct\.yaml:6:16: routes\.default\.entries\[0\]\.model has no known price, but the budget of acme is in US dollars; give the entry a price/,
    );
  });

  it('a model without a key, unless the keys are elsewhere, which it then says', async () => {
    const refused = await apply(anthropic() + tenant());
    expect(refused.code).toBe(1);
    expect(refused.stderr[1]).toBe(noKey);
    const { code, stdout } = await apply(anthropic() + tenant(), '--keys-elsewhere');
    expect(code).toBe(0);
    expect(stdout).toContain(
      '! Line 4: routes.default[0].apiKey (anthropic claude-sonnet-4-5): there is no key; set ANTHROPIC_API_KEY or give the entry an apiKey.',
    );
  });
});

describe('konstruct apply takes', { timeout: 60_000 }, () => {
  it('a model that the provider has; a refused key it only doubts', async () => {
    expect(await apply(anthropic() + tenant(), '', key)).toMatchObject({ code: 0 });
    const { code, stdout } = await apply(anthropic() + tenant(), '', { ANTHROPIC_API_KEY: 'wrong' });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^! Line 4: .* refuses the key \(401\)\. Check ANTHROPIC_API_KEY;/m);
  });

  it('a model for which a tenant brings the key, in this file or in an earlier one', async () => {
    const brings = tenant('keys: { anthropic: key-1 }');
    expect(await apply(anthropic() + brings)).toMatchObject({ code: 0 });
    expect(await apply(anthropic())).toMatchObject({ code: 0 });
    expect(await apply(anthropic() + tenant('keys: {}'), '--keys-elsewhere')).toMatchObject({ code: 0 });
    expect((await apply(anthropic())).stderr[1]).toBe(noKey);
  });
});
