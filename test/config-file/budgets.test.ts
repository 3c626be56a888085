import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DoctorContext } from '../../src/cli/doctor/check.ts';
import { checkBudgets } from '../../src/cli/doctor/check-budgets.ts';
import { applyConfigFile } from '../../src/config-file/apply-config-file.ts';
import { exportConfigFile } from '../../src/config-file/export-config-file.ts';
import { readInstallation } from '../../src/config-file/read-installation.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import type { Database } from '../../src/db/schema.ts';
import { answerCostBy, createPriceList, isThoughtFree } from '../../src/llm/prices/create-price-list.ts';
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
    isThoughtFree,
    answerCost: answerCostBy(prices),
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

describe('a limit that is smaller than one answer', () => {
  const route = (more = '') => `
routes:
  default: [{ provider: anthropic, model: claude-sonnet-4-5${more} }]
`;
  const tenant = (budget: string, agent = '') => `
tenants:
  - slug: acme
    name: Acme
    ${budget}
    agents: [{ slug: ada, name: Ada${agent} }]
`;

  it.each([
    ['budget: { dailyUsd: 0.05 }', '', 'the budget (dailyUsd) of acme', '0.06144 US dollars'],
    ['personBudget: { monthlyTokens: 4000 }', '', 'the personBudget (monthlyTokens) of acme', '4096 tokens'],
    ['', ', limits: { maxTurnUsd: 0.01 }', 'the limit maxTurnUsd of agent ada of acme', '0.06144 US dollars'],
  ])('is told: %s%s', async (budget, agent, which, needed) => {
    const { warnings } = await apply(route() + tenant(budget, agent));
    expect(warnings).toEqual([
      expect.stringContaining(
        `is answered under ${which}, which is less than one answer can come to (${needed} and its prompt)`,
      ),
    ]);
    expect((await apply(tenant(budget, agent))).warnings).toHaveLength(1);
  });

  it('is not told where it is enough, where it is nothing, or where a model of the route is cheap enough', async () => {
    for (const [more, budget] of [
      ['', 'budget: { dailyUsd: 0.07 }'],
      ['', 'budget: { dailyUsd: 0 }'],
      [', maxOutputTokens: 1000', 'budget: { dailyUsd: 0.05 }'],
      [' }, { provider: ollama, model: llama3.2', 'budget: { dailyUsd: 0.05 }'],
    ] as const) {
      expect((await apply(route(more) + tenant(budget))).warnings, more + budget).toEqual([]);
    }
  });
});

describe('a model that counts as free only for its address', () => {
  const routes = (baseUrl: string, price = '') => `
routes:
  default:
    - { provider: openai-compatible, model: gpt-5.4, baseUrl: "${baseUrl}"${price} }
`;
  const tenant = (budget: string) => `
tenants:
  - slug: acme
    name: Acme
    budget: ${budget}
    agents: [{ slug: ada, name: Ada }, { slug: bob, name: Bob }]
`;
  const gateway = 'http://litellm:4000/v1';
  const usd = '{ dailyUsd: 1 }';
  const todo =
    'counts as free for its address, but the budget of acme is in US dollars; give the entry a price: { inputUsdPerMillion: …, outputUsdPerMillion: … }, 0 if it really costs nothing.';
  const doctor = async () => {
    const context = { database, clock: Date.now } as unknown as DoctorContext;
    return (await checkBudgets.run(context)).filter(({ level }) => level !== 'ok');
  };

  it('is taken under a budget in USD and told once, by apply and by the doctor', async () => {
    const { changes, warnings } = await apply(routes(gateway) + tenant(usd));
    expect(changes).toHaveLength(4);
    expect(warnings).toEqual([`Line 4: routes.default[0].model ${todo}`]);
    expect(await doctor()).toEqual([
      {
        level: 'warning',
        text: 'Route default: openai-compatible gpt-5.4 counts as free for its address, but the budget of acme is in US dollars.',
        remedy: 'Give its entry in konstruct.yaml a `price`, 0 if it really costs nothing.',
      },
    ]);
  });

  it('is told too when only one of both is in the file', async () => {
    expect((await apply(routes(gateway) + tenant('{ dailyTokens: 9000 }'))).warnings).toEqual([]);
    expect(await doctor()).toEqual([]);
    expect((await apply(tenant(usd))).warnings).toEqual([
      `Line 6: tenants[0].agents[0].route is answered by openai-compatible gpt-5.4 (route default), which ${todo}`,
    ]);
    expect((await apply(routes(gateway))).warnings).toEqual([`Line 4: routes.default[0].model ${todo}`]);
  });

  it.each([
    ['has a price', gateway, ', price: { inputUsdPerMillion: 0, outputUsdPerMillion: 0 }'],
    ['is on this machine', 'http://127.0.0.1:8000/v1', ''],
  ])('is not mentioned where it %s', async (_, baseUrl, price) => {
    expect((await apply(routes(baseUrl, price) + tenant(usd))).warnings).toEqual([]);
    expect(await doctor()).toEqual([]);
  });

  it('is refused where it is Ollama that somebody else runs', async () => {
    const hosted = routes('https://ollama.com/v1').replace('openai-compatible', 'ollama');
    await expect(apply(hosted + tenant(usd))).rejects.toThrow('routes.default[0].model has no known price');
  });
});
