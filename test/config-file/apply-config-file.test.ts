import { randomBytes } from 'node:crypto';
import type { Kysely } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { applyConfigFile } from '../../src/config-file/apply-config-file.ts';
import { exportConfigFile } from '../../src/config-file/export-config-file.ts';
import { formatPlan } from '../../src/config-file/format-plan.ts';
import { parseConfigFile } from '../../src/config-file/parse-config-file.ts';
import type { Plan } from '../../src/config-file/plan.ts';
import { readInstallation } from '../../src/config-file/read-installation.ts';
import { createCipher } from '../../src/core/cipher.ts';
import { connectionDefaults, noBudget } from '../../src/core/tenant.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import type { Database } from '../../src/db/schema.ts';
import { openCredentials } from '../../src/stores/connections.ts';
import { listRoutes, openRoute } from '../../src/stores/routes.ts';
import { createMigratedDatabase } from '../support/migrated-database.ts';
import type { TestDatabase } from '../support/postgres.ts';
import { silentLog } from '../support/silent-log.ts';

const cipher = createCipher([randomBytes(32)]);
const env = { TOKEN: 'xoxb-secret-1', KEY: 'sk-secret-2' };

const company = `
routes:
  default:
    - { provider: openai, model: gpt-5.4, apiKey: "\${KEY}" }
tenants:
  - slug: acme
    name: Acme
    budget: { dailyUsd: 20, monthlyUsd: 300.5 }
    maxConcurrentTurns: 7
    agents:
      - { slug: ada, name: Ada, role: Support }
      - { slug: bob, name: Bob, persona: "Says $\${HOME} a lot." }
    connections:
      - channel: slack
        externalId: T0ACME
        agent: ada
        credentials: { botToken: "\${TOKEN}", signingSecret: shh-3 }
        settings: { ratePerMinute: 5 }
`;

let server: TestDatabase;
let admin: pg.Client;
let database: Kysely<Database>;

beforeAll(async () => {
  server = await createMigratedDatabase();
  admin = new pg.Client({ connectionString: server.url });
  await admin.connect();
  database = createDatabase(createDatabasePool({ url: server.url, name: 'test', size: 9, log: silentLog }));
});
afterAll(async () => {
  await database?.destroy();
  await admin?.end();
  await server?.drop();
});
beforeEach(async () => {
  await admin.query('truncate konstruct.tenants, konstruct.routes cascade');
});

function apply(
  text: string,
  options: {
    prune?: boolean;
    dryRun?: boolean;
    env?: Record<string, string>;
    offered?: { readonly toolNames: readonly string[] };
  } = {},
) {
  return applyConfigFile({ database, cipher, source: { fileName: 'konstruct.yaml', text }, env, ...options });
}

function diff(plan: Plan): string[] {
  return formatPlan(plan, { colour: false, dryRun: false }).split('\n').slice(0, -1);
}

async function state(slug: string) {
  const found = (await readInstallation(database, new Set([slug]))).tenants.get(slug);
  if (!found) throw new Error(`there is no tenant ${slug}`);
  return found;
}

describe('applyConfigFile', () => {
  it('makes what the file says, and the second time finds nothing to change', async () => {
    expect(diff(await apply(company))).toEqual([
      '+ route default',
      '+ tenant acme',
      '+ agent ada of acme',
      '+ agent bob of acme',
      '+ connection slack T0ACME of acme',
    ]);
    const { tenant, agents, connections } = await state('acme');
    expect(tenant.budget).toEqual({ ...noBudget, dailyUsd: 20, monthlyUsd: 300.5 });
    expect(tenant.maxConcurrentTurns).toBe(7);
    expect(agents[1]).toMatchObject({
      slug: 'bob',
      persona: `Says \${HOME} a lot.`,
      placeholder: 'Thinking…',
    });
    const [connection] = connections;
    expect(connection).toMatchObject({
      agentId: agents[0]?.id,
      settings: { ratePerMinute: 5 },
      status: 'active',
    });
    expect(connection && openCredentials(cipher, connection)).toEqual({
      botToken: 'xoxb-secret-1',
      signingSecret: 'shh-3',
    });
    const again = await apply(company);
    expect(again.changes).toEqual([]);
    expect(formatPlan(again, { colour: false, dryRun: false })).toBe('Nothing to change (= 5 unchanged).');
  });

  it('stores no secret in the clear', async () => {
    await apply(company);
    const { rows } = await admin.query(`
      select (select string_agg(r::text, '') from konstruct.routes r) || string_agg(c::text, '')
        || string_agg(encode(c.credentials, 'escape'), '') as everything from konstruct.connections c`);
    for (const secret of ['secret-1', 'sk-secret-2', 'shh-3'])
      expect(rows[0].everything).not.toContain(secret);
    expect((await listRoutes(database)).map((route) => openRoute(cipher, route).entries[0]?.apiKey)).toEqual([
      'sk-secret-2',
    ]);
  });

  it('shows which fields change, short values with them and secrets without', async () => {
    await apply(company);
    const changed = company
      .replace('dailyUsd: 20', 'dailyUsd: 25')
      .replace('maxConcurrentTurns: 7', '')
      .replace('role: Support', 'role: Sales')
      .replace('agent: ada', 'agent: bob')
      .replace('{ ratePerMinute: 5 }', '{ followMinutes: 10 }')
      .replace('gpt-5.4', 'gpt-6');
    const plan = await apply(changed, { env: { TOKEN: 'xoxb-secret-9', KEY: 'sk-secret-2' } });
    expect(diff(plan)).toEqual([
      '~ route default: [0] "openai gpt-5.4" → "openai gpt-6"'.replaceAll('"', ''),
      '~ tenant acme: budget.dailyUsd 20 → 25, maxConcurrentTurns 7 → none',
      '~ agent ada of acme: role "Support" → "Sales"',
      '~ connection slack T0ACME of acme: agent "ada" → "bob", settings.ratePerMinute 5 → none, settings.followMinutes none → 10, credentials changed',
    ]);
    expect(JSON.stringify(plan.changes)).not.toContain('secret');
    expect((await apply(changed, { env: { TOKEN: 'xoxb-secret-9', KEY: 'sk-secret-2' } })).changes).toEqual(
      [],
    );
  });

  it('takes, compares and exports how an agent behaves in company', async () => {
    const polite = company
      .replace('role: Support', 'role: Support, icon: ":owl:", busyMode: interrupt')
      .replace(
        '{ ratePerMinute: 5 }',
        '{ editWindowMinutes: 0, onDeletion: retract, streaming: false, stopWords: [halt] }',
      );
    await apply(polite);
    const { agents, connections } = await state('acme');
    expect(agents.map(({ busyMode }) => busyMode)).toEqual(['interrupt', 'queue']);
    expect(agents.map(({ icon }) => icon)).toEqual([':owl:', null]);
    expect(connections[0]?.settings).toEqual({
      editWindowMinutes: 0,
      onDeletion: 'retract',
      streaming: false,
      stopWords: ['halt'],
    });
    expect((await apply(polite)).changes).toEqual([]);
    const { text } = await exportConfigFile(database, cipher);
    expect(text).toContain('busyMode: interrupt');
    expect(text).toMatch(/icon: ":owl:"/);
    expect(text).toContain('onDeletion: retract');
    expect(diff(await apply(polite.replace('busyMode: interrupt', 'busyMode: steer')))).toEqual([
      '~ agent ada of acme: busyMode "interrupt" → "steer"',
    ]);
    expect(
      diff(await apply(polite.replace('icon: ":owl:", busyMode: interrupt', 'busyMode: steer'))),
    ).toEqual(['~ agent ada of acme: icon ":owl:" → none']);
  });

  it('gives agents the tools they name, and shows what changes', async () => {
    const withTools = (tools: string) => company.replace('role: Support', `role: Support, tools: ${tools}`);
    await apply(company);
    expect((await state('acme')).agents.map(({ tools }) => tools)).toEqual([null, null]);
    expect(diff(await apply(withTools('[current_time]')))).toEqual([
      '~ agent ada of acme: tools none → "current_time"',
    ]);
    expect((await state('acme')).agents[0]?.tools).toEqual(['current_time']);
    expect((await apply(withTools('[current_time]'))).changes).toEqual([]);
    expect((await exportConfigFile(database, cipher)).text).toMatch(/tools:\s+- current_time/);
    expect(diff(await apply(withTools('[]')))).toEqual(['~ agent ada of acme: tools "current_time" → ""']);
    const { text, variables } = await exportConfigFile(database, cipher);
    expect(text).toContain('tools: []');
    const exported = Object.fromEntries(variables.map(({ name }, index) => [name, `x${index}`]));
    expect(
      (await apply(text, { env: exported, dryRun: true })).changes.filter(({ kind }) => kind === 'agent'),
    ).toEqual([]);
    await expect(apply(withTools('[convert_units]'))).rejects.toThrow('is not a tool of this installation');
    expect(
      (await apply(withTools('[convert_units]'), { offered: { toolNames: ['convert_units'] } })).changes,
    ).toHaveLength(1);
    expect(diff(await apply(company))).toEqual(['~ agent ada of acme: tools "convert_units" → none']);
  });

  it('changes nothing in a dry run', async () => {
    expect((await apply(company, { dryRun: true })).changes).toHaveLength(5);
    expect((await readInstallation(database, null)).tenants.size).toBe(0);
  });

  it('keeps what the file does not have, unless asked to prune', async () => {
    await apply(company);
    const smaller = `
tenants:
  - slug: acme
    name: Acme
    budget: { dailyUsd: 20, monthlyUsd: 300.5 }
    maxConcurrentTurns: 7
    agents: [{ slug: ada, name: Ada, role: Support }]
    connections: []
`;
    expect((await apply(smaller)).changes).toEqual([]);
    expect(diff(await apply(smaller, { prune: true }))).toEqual([
      '- connection slack T0ACME of acme',
      '- agent bob of acme',
    ]);
    // A section that is left out says nothing: the route stays, and so do the agents of `name: Acme` alone.
    expect((await listRoutes(database)).map(({ name }) => name)).toEqual(['default']);
    expect((await apply('tenants: [{ slug: acme, name: Acme }]', { prune: true })).changes).toHaveLength(1);
    expect((await state('acme')).agents).toHaveLength(1);
    expect(diff(await apply('tenants: []\nroutes: {}', { prune: true }))).toEqual([
      '- route default',
      '- tenant acme',
    ]);
    expect((await readInstallation(database, null)).tenants.size).toBe(0);
  });

  it('removes no route that an agent goes on using', async () => {
    const onSmart = company
      .replace('tenants:', '  smart: [{ provider: openai, model: gpt-6 }]\ntenants:')
      .replace('name: Bob,', 'name: Bob, route: smart,');
    await apply(onSmart);
    const withoutSmart = 'routes: { default: [{ provider: openai, model: gpt-5.4 }] }';
    await expect(apply(withoutSmart, { prune: true })).rejects.toThrow(
      'konstruct.yaml:1:1: routes leave out smart, but agent bob of acme still uses it; give that agent another route',
    );
    expect((await listRoutes(database)).map(({ name }) => name)).toEqual(['default', 'smart']);
    // An agent without a route of its own has the default, which needs no definition.
    expect(
      (await apply('routes: { smart: [{ provider: openai, model: gpt-6 }] }', { prune: true })).warnings,
    ).toEqual([
      'Agent ada of acme uses the route default, which is removed: it is made of the providers that have a key then.',
    ]);
    // Whoever goes with the route, or gets another by the same file, is no reason to keep it.
    await apply(onSmart);
    expect(diff(await apply(company, { prune: true }))).toEqual([
      '- route smart',
      '~ agent bob of acme: route "smart" → "default"',
    ]);
    await apply(onSmart);
    expect(diff(await apply(company.replace(/.*slug: bob.*\n/, ''), { prune: true }))).toEqual([
      '- route smart',
      '- agent bob of acme',
    ]);
    await apply(onSmart);
    expect(diff(await apply('routes: {}\ntenants: []', { prune: true }))).toEqual([
      '- route default',
      '- route smart',
      '- tenant acme',
    ]);
  });

  it('removes an agent that has answered: what it said stays, its open turn goes to its successor', async () => {
    await apply(company);
    const { tenant, agents, connections } = await state('acme');
    const [ada, bob] = agents;
    const { rows } = await admin.query(
      `with c as (insert into konstruct.conversations (tenant_id, connection_id, channel_id, scope)
         values ($1, $2, 'C1', 'channel') returning id)
       insert into konstruct.turns (tenant_id, conversation_id, agent_id, status)
       select $1, c.id, $3, s from c, unnest(array['answered', 'running']) s returning conversation_id, id`,
      [tenant.id, connections[0]?.id, ada?.id],
    );
    await admin.query('update konstruct.conversations set turn_id = $1', [rows[1].id]);
    const successor = company.replace(/.*slug: ada.*\n/, '').replace('agent: ada', 'agent: bob');
    expect(diff(await apply(successor, { prune: true }))).toEqual([
      '~ connection slack T0ACME of acme: agent "ada" → "bob"',
      '- agent ada of acme',
    ]);
    const turns = await admin.query('select status, agent_id from konstruct.turns order by id');
    expect(turns.rows).toEqual([
      { status: 'answered', agent_id: null },
      { status: 'running', agent_id: bob?.id },
    ]);
    await apply('tenants: []', { prune: true });
    expect((await admin.query('select 1 from konstruct.turns')).rowCount).toBe(0);
  });

  it('refuses a workspace of another tenant, and moves it when the same file takes it away there', async () => {
    await apply(company);
    const other = `
  - slug: other
    name: Other
    agents: [{ slug: eve, name: Eve }]
    connections: [{ channel: slack, externalId: T0ACME, agent: eve, credentials: { botToken: x } }]
`;
    await expect(apply(`tenants:${other}`)).rejects.toThrow(
      /konstruct\.yaml:5:49: tenants\[0\]\.connections\[0\]\.externalId belongs to the tenant acme already/,
    );
    const moved = `${company.slice(0, company.indexOf('    connections:'))}    connections: []${other}`;
    await expect(apply(moved)).rejects.toThrow(/belongs to the tenant acme/);
    await apply(moved, { prune: true });
    expect((await state('other')).connections).toHaveLength(1);
    // And from a tenant that goes altogether.
    await apply(company.replace('slug: acme', 'slug: third'), { prune: true });
    expect((await state('third')).connections).toHaveLength(1);
  });

  it('reports what contradicts the database, all at once', async () => {
    await apply(company);
    const text = `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: bob, name: Bob, route: defalt }, { slug: cleo, name: Cleo, route: smart }]
  - slug: new
    name: New
    connections: [{ channel: slack, externalId: T0NEW, agent: nobody, credentials: { botToken: x } }]
`;
    const failure = await apply(text, { prune: true }).catch((error: Error) => error.message);
    expect(failure).toContain(
      'tenants[0].agents[0].route is "defalt", and there is no such route; did you mean default?',
    );
    expect(failure).toContain('tenants[0].agents[1].route is "smart"');
    expect(failure).toContain('tenants[0].agents leave out ada, but slack T0ACME still names it');
    expect(failure).toContain('tenants[1].connections[0].agent is an agent that this tenant does not have');
  });

  it('leaves a disabled connection alone and says so; new credentials bring it back', async () => {
    await apply(company);
    await admin.query(
      `update konstruct.connections set status = 'disabled', disabled_reason = 'tokens_revoked'`,
    );
    const plan = await apply(company);
    expect(plan.changes).toEqual([]);
    expect(plan.warnings).toEqual([
      'slack T0ACME of acme is disabled (tokens_revoked): apply new credentials, or write `enabled: true`.',
    ]);
    const repaired = await apply(company, { env: { ...env, TOKEN: 'xoxb-new' } });
    expect(diff(repaired)).toEqual([
      '~ connection slack T0ACME of acme: enabled false → true, credentials changed',
    ]);
    expect((await state('acme')).connections[0]).toMatchObject({ status: 'active', disabledReason: null });
  });

  it('takes `enabled: false` as the operator’s wish, also of what the platform had disabled; export tells them apart', async () => {
    await apply(company);
    await admin.query(
      `update konstruct.connections set status = 'disabled', disabled_reason = 'tokens_revoked'`,
    );
    const exported = async () => (await exportConfigFile(database, cipher)).text;
    expect(await exported()).not.toContain('enabled');
    // What else changes is no reason to forget why.
    await apply(company.replace('ratePerMinute: 5', 'ratePerMinute: 6'));
    expect((await state('acme')).connections[0]).toMatchObject({ disabledReason: 'tokens_revoked' });
    await apply(company);
    const switchedOff = company.replace('agent: ada', 'agent: ada\n        enabled: false');
    expect(diff(await apply(switchedOff))).toEqual([
      '~ connection slack T0ACME of acme: enabled false (tokens_revoked) → false',
    ]);
    expect((await state('acme')).connections[0]).toMatchObject({ status: 'disabled', disabledReason: null });
    expect(await exported()).toContain('enabled: false');
    expect((await apply(switchedOff)).changes).toEqual([]);
    const renewed = await apply(company, { env: { ...env, TOKEN: 'xoxb-new' } });
    expect(diff(renewed)).toEqual([
      '~ connection slack T0ACME of acme: credentials changed',
      '! slack T0ACME of acme is disabled: write `enabled: true`.',
    ]);
  });

  it('stores credentials again that a lost master key has made unreadable, when it is told to', async () => {
    await apply(company);
    const fresh = createCipher([randomBytes(32)]);
    const source = { fileName: 'konstruct.yaml', text: company };
    for (const dryRun of [true, false]) {
      const failure = applyConfigFile({ database, cipher: fresh, source, env, dryRun });
      await expect(failure).rejects.toThrow(
        /:4:5: routes\.default would replace .*\n.*:17:22: tenants\[0\]\.connections\[0\]\.credentials would replace/,
      );
    }
    expect((await apply(company)).changes).toEqual([]);
    // What the file says nothing of is nobody's problem.
    const settings = 'tenants: [{ slug: acme, name: Acme Inc, maxConcurrentTurns: 7 }]';
    const renamed = { fileName: 'konstruct.yaml', text: settings };
    expect((await applyConfigFile({ database, cipher: fresh, source: renamed, env })).changes).toHaveLength(
      1,
    );
    await apply(company);
    const plan = await applyConfigFile({ database, cipher: fresh, source, env, replaceUnreadable: true });
    expect(diff(plan)).toEqual([
      '~ route default: apiKey changed',
      '~ connection slack T0ACME of acme: credentials changed',
    ]);
    expect((await applyConfigFile({ database, cipher: fresh, source, env })).changes).toEqual([]);
  });

  it('goes one after the other when processes apply at the same time', async () => {
    const plans = await Promise.all(Array.from({ length: 4 }, () => apply(company)));
    expect(plans.map(({ changes }) => changes.length).sort()).toEqual([0, 0, 0, 5]);
  });

  it('applies 1,000 tenants in seconds, and again', async ({ annotate }) => {
    const tenants = Array.from(
      { length: 1_000 },
      (_, index) => `
  - slug: tenant-${index}
    name: Tenant ${index}
    agents: [{ slug: ada, name: Ada, persona: Calm. }, { slug: bob, name: Bob }]
    connections: [{ channel: slack, externalId: T${index}X, agent: ada, credentials: { botToken: x${index} } }]`,
    );
    const startedAt = performance.now();
    expect((await apply(`tenants:${tenants.join('')}`)).changes).toHaveLength(4_000);
    const appliedAt = performance.now();
    expect((await apply(`tenants:${tenants.join('')}`)).unchanged).toBe(4_000);
    const milliseconds = [appliedAt - startedAt, performance.now() - appliedAt].map(Math.round);
    await annotate(`applied in ${milliseconds[0]} ms, again in ${milliseconds[1]} ms`);
    expect(Math.max(...milliseconds)).toBeLessThan(15_000);
  });
});

describe('exportConfigFile', () => {
  it('gives a file without secrets that applies as it is and changes nothing', async () => {
    await apply(company);
    const { text, variables } = await exportConfigFile(database, cipher);
    expect(text).not.toMatch(/secret|shh/);
    expect(variables.map(({ name }) => name)).toEqual([
      'ROUTE_DEFAULT_API_KEY',
      'ACME_SLACK_BOT_TOKEN',
      'ACME_SLACK_SIGNING_SECRET',
    ]);
    const values = { ROUTE_DEFAULT_API_KEY: 'sk-secret-2', ACME_SLACK_SIGNING_SECRET: 'shh-3' };
    const plan = await apply(text, {
      prune: true,
      env: { ...values, ACME_SLACK_BOT_TOKEN: 'xoxb-secret-1' },
    });
    expect(diff(plan)).toEqual([]);
    expect((await exportConfigFile(database, cipher)).text).toBe(text);
  });

  it.each(['https://bot:hunter2@llm.example.com/v1', 'https://llm.example.com/v1?api_key=hunter2'])(
    'never tells a secret that an address holds from before: %s',
    async (address) => {
      await apply(company);
      await database
        .updateTable('routes')
        .set({
          entries: JSON.stringify([{ provider: 'openai-compatible', model: 'm', baseUrl: address }]),
        })
        .execute();
      const { text, variables } = await exportConfigFile(database, cipher);
      expect(text).not.toContain('hunter2');
      expect(variables[0]).toEqual({
        name: 'ROUTE_DEFAULT_1_BASE_URL',
        meaning: 'baseUrl of route default, entry 1, which holds a secret: give that as apiKey instead',
      });
      expect(JSON.stringify((await apply(company)).changes)).not.toContain('hunter2');
    },
  );

  it('keeps odd texts, several workspaces and disabled connections', async () => {
    const odd = `
tenants:
  - slug: acme
    name: "yes"
    agents:
      - { slug: ada, name: "12", persona: "- a: b\\n  # no comment\\n\\n\\ttab $$\${X} \${\\n" }
    connections:
      - { channel: slack, externalId: T0A, agent: ada, credentials: { botToken: one } }
      - { channel: slack, externalId: T0A, appId: A1, agent: ada, enabled: false, credentials: { botToken: two } }
`;
    await apply(odd);
    const { text, variables } = await exportConfigFile(database, cipher);
    expect(variables.map(({ name }) => name)).toEqual([
      'ACME_SLACK_T0A_BOT_TOKEN',
      'ACME_SLACK_T0A_A1_BOT_TOKEN',
    ]);
    const values = { ACME_SLACK_T0A_BOT_TOKEN: 'one', ACME_SLACK_T0A_A1_BOT_TOKEN: 'two' };
    expect(diff(await apply(text, { env: values }))).toEqual([]);
  });

  it('has everything that a file can say', async () => {
    const complete = `
routes:
  default:
    entries:
      - provider: openai-compatible
        model: "llama \${X}"
        baseUrl: "https://llm.example.com/v1"
        apiKeys: [one, two]
        weight: 3
        contextTokens: 8000
        accepts: [image, pdf]
        maxOutputTokens: 900
        price: { inputUsdPerMillion: 1, outputUsdPerMillion: 2, cachedInputUsdPerMillion: 0.1, cacheWriteUsdPerMillion: 1.2 }
      - { provider: openai, model: gpt-5.4, apiKey: three, api: chat }
    hedgeAfterMs: 900
    onRefusal: next
    timeouts: { connectMs: 1, firstTokenMs: 2, idleMs: 3, totalMs: 4 }
tenants:
  - slug: acme
    name: "Acme \${Y}"
    timeZone: Europe/Berlin
    budget: { dailyUsd: 1, monthlyUsd: 2.5, dailyTokens: 3, monthlyTokens: 4 }
    personBudget: { dailyUsd: 5, monthlyUsd: 6, dailyTokens: 7, monthlyTokens: 8 }
    maxConcurrentTurns: 9
    keys: { anthropic: [a, b], openai: c, google: d, bedrock: e, azure: f, mistral: g, groq: h, openrouter: i }
    agents:
      - slug: ada
        name: "Ada \${Z}"
        role: "Role \${Z}"
        persona: "Persona \${Z}"
        instructions: "Instructions \${Z}"
        route: default
        placeholder: "Wait \${Z}"
        busyMode: steer
        icon: ":owl:"
        budget: { dailyUsd: 1, monthlyUsd: 2, dailyTokens: 3, monthlyTokens: 4 }
        limits: { maxSteps: 5, maxToolCalls: 6, maxTurnSeconds: 7, maxTurnUsd: 0.5 }
        tools: [current_time]
    connections:
      - channel: slack
        externalId: T0ACME
        appId: A0ACME
        agent: ada
        enabled: false
        credentials: { botToken: x, signingSecret: y, appToken: z }
        settings: { ratePerMinute: 1, followMinutes: 2, editWindowMinutes: 3, onDeletion: retract, streaming: false, stopWords: ["Halt \${Z}"], suggestedPrompts: ["Ask \${Z}"], template: late/en,
          allowedOrigins: ["https://a.example"], allowAnonymous: true, title: "Title \${Z}", greeting: "Greeting \${Z}" }
`
      // Meant as they stand.
      .replaceAll('$', '$$$$');
    const minimal = 'tenants: [{ slug: acme, name: A, agents: [{ slug: ada, name: A }] }]';
    const parse = (text: string) => parseConfigFile({ fileName: 'f', text }, {}).file.tenants?.[0];
    // What a file can say and this one does not would be the same in both.
    const [least, most] = [parse(minimal), parse(complete)];
    for (const [short, long] of [
      [least, most],
      [least?.agents?.[0], most?.agents?.[0]],
    ] as const) {
      for (const [key, value] of Object.entries(short ?? {}))
        if (key !== 'slug' && key !== 'route')
          expect((long as typeof short)?.[key as never], key).not.toEqual(value);
    }
    expect(Object.keys(most?.connections?.[0]?.settings ?? {}).sort()).toEqual(
      [
        ...Object.keys(connectionDefaults),
        ...['template', 'allowedOrigins', 'allowAnonymous', 'title', 'greeting'],
      ].sort(),
    );

    const tools = { offered: { toolNames: ['current_time'] } };
    await apply(complete, tools);
    const { text, variables } = await exportConfigFile(database, cipher);
    // An installation that has nothing yet becomes the same by the file and its secrets.
    await admin.query('truncate konstruct.tenants, konstruct.routes cascade');
    const secrets = Object.fromEntries(variables.map(({ name }, index) => [name, `secret-${index}`]));
    await apply(text, { env: secrets, ...tools });
    expect((await exportConfigFile(database, cipher)).text).toBe(text);
    // And it says the same as the first one, but for the secrets.
    const withoutSecrets = (file: string, env: Record<string, string>) =>
      JSON.parse(JSON.stringify(parseConfigFile({ fileName: 'f', text: file }, env).file), (key, value) =>
        ['keys', 'credentials', 'apiKey', 'apiKeys'].includes(key)
          ? typeof value === 'string' || Object.keys(value).sort()
          : value,
      );
    expect(withoutSecrets(text, secrets)).toEqual(withoutSecrets(complete, {}));
  });
});
