import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyConfigFile } from '../../src/config-file/apply-config-file.ts';
import { exportConfigFile } from '../../src/config-file/export-config-file.ts';
import { readInstallation } from '../../src/config-file/read-installation.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import type { Database } from '../../src/db/schema.ts';
import { createPriceList } from '../../src/llm/prices/create-price-list.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { silentLog } from '../support/silent-log.ts';

const cipher = createCipher([randomBytes(32)]);
const prices = createPriceList(Date.now);
let server: TestDatabase;
let database: Kysely<Database>;
beforeEach(async () => {
  server = await createMigratedDatabase();
  database = createDatabase(createDatabasePool({ url: server.url, name: 'test', size: 9, log: silentLog }));
});
afterEach(async () => {
  await database.destroy();
  await server.drop();
});

function apply(text: string) {
  return applyConfigFile({
    database,
    cipher,
    source: { fileName: 'konstruct.yaml', text },
    env: {},
    hasPrice: async (entry) => (await prices.find(entry)) !== null,
  });
}

const everything = `
routes:
  default:
    - { provider: anthropic, model: claude-sonnet-4-5 }
    - provider: openai-compatible
      model: house-model
      baseUrl: https://llm.example.com/v1
      price: { inputUsdPerMillion: 0.25, outputUsdPerMillion: 1, cachedInputUsdPerMillion: 0.1 }
tenants:
  - slug: acme
    name: Acme
    timeZone: Europe/Berlin
    budget: { dailyUsd: 20, monthlyTokens: 5000000 }
    personBudget: { dailyUsd: 1.5, dailyTokens: 200000 }
    agents:
      - slug: ada
        name: Ada
        budget: { monthlyUsd: 100 }
        limits: { maxSteps: 5, maxToolCalls: 0, maxTurnSeconds: 90, maxTurnUsd: 0.5 }
`;

describe('budgets, limits and prices of a konstruct.yaml', () => {
  it('are applied, change nothing the second time, and come back by export', async () => {
    await apply(everything);
    expect((await apply(everything)).changes).toEqual([]);
    const state = (await readInstallation(database, null)).tenants.get('acme');
    expect(state?.tenant).toMatchObject({
      timeZone: 'Europe/Berlin',
      budget: { dailyUsd: 20, monthlyUsd: null, dailyTokens: null, monthlyTokens: 5_000_000 },
      personBudget: { dailyUsd: 1.5, monthlyUsd: null, dailyTokens: 200_000, monthlyTokens: null },
    });
    expect(state?.agents[0]).toMatchObject({
      budget: { dailyUsd: null, monthlyUsd: 100, dailyTokens: null, monthlyTokens: null },
      limits: { maxSteps: 5, maxToolCalls: 0, maxTurnSeconds: 90, maxTurnUsd: 0.5 },
    });
    const { text } = await exportConfigFile(database, cipher);
    expect((await apply(text)).changes).toEqual([]);
    expect(text).toContain('maxTurnUsd: 0.5');
    expect(text).not.toContain('monthlyUsd: null');
  });

  it('show what changes', async () => {
    await apply(everything);
    const plan = await apply(
      everything
        .replace('Europe/Berlin', 'UTC')
        .replace('dailyUsd: 1.5', 'dailyUsd: 2')
        .replace('maxSteps: 5, ', '')
        .replace('{ monthlyUsd: 100 }', '{ dailyTokens: 9 }'),
    );
    const fields = plan.changes.map(({ kind, fields }) => [
      kind,
      fields.map(({ field, from, to }) => `${field} ${from} ${to}`),
    ]);
    expect(fields).toEqual([
      ['tenant', ['timeZone "Europe/Berlin" "UTC"', 'personBudget.dailyUsd 1.5 2']],
      ['agent', ['budget.monthlyUsd 100 none', 'budget.dailyTokens none 9', 'limits.maxSteps 5 20']],
    ]);
  });
});

describe('a model whose price nobody knows', () => {
  const free = ', price: { inputUsdPerMillion: 0, outputUsdPerMillion: 0 }';
  const routes = (price = '') => `
routes:
  default:
    - { provider: anthropic, model: claude-sonnet-4-5 }
    - { provider: openai-compatible, model: llama3.3, baseUrl: "https://llm.example.com/v1"${price} }
`;
  const tenant = (budget: string, agent = '') => `
tenants:
  - slug: acme
    name: Acme
    ${budget}
    agents: [{ slug: ada, name: Ada${agent} }]
`;

  it.each([
    ['budget: { dailyUsd: 1 }', '', 'the budget of acme'],
    ['personBudget: { monthlyUsd: 1 }', '', 'the personBudget of acme'],
    ['', ', budget: { dailyUsd: 1 }', 'the budget of agent ada of acme'],
    ['', ', limits: { maxTurnUsd: 1 }', 'the limit maxTurnUsd of agent ada of acme'],
  ])('is refused where it stands under a limit in USD: %s%s', async (budget, agent, which) => {
    await expect(apply(routes() + tenant(budget, agent))).rejects.toThrow(
      `konstruct.yaml:5:45: routes.default[1].model has no known price, but ${which} is in US dollars; give the entry a price: { inputUsdPerMillion: …, outputUsdPerMillion: … } (0 where it costs nothing), or limit tokens instead`,
    );
    expect((await readInstallation(database, null)).tenants.size).toBe(0);
  });

  it('is fine under limits in tokens, with a price of its own, and without limits', async () => {
    await apply(routes() + tenant('budget: { dailyTokens: 1000 }'));
    await apply(routes() + tenant(''));
    const plan = await apply(routes(free) + tenant('budget: { dailyUsd: 1 }'));
    expect(plan.changes.map(({ kind }) => kind)).toEqual(['route', 'tenant']);
  });

  it('is refused too when only one of both is in the file', async () => {
    await apply(routes() + tenant(''));
    await expect(apply(tenant('budget: { dailyUsd: 1 }'))).rejects.toThrow(
      'tenants[0].agents[0].route is answered by openai-compatible llama3.3 (route default), which has no known price',
    );
    await apply(routes(free) + tenant('budget: { dailyUsd: 1 }'));
    await expect(apply(routes())).rejects.toThrow('routes.default[1].model has no known price');
  });
});
