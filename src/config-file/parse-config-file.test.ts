import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { isKonstructError } from '../core/errors.ts';
import { parseConfigFile } from './parse-config-file.ts';

const settingsPath = 'tenants[0].connections[0].settings';
/** A file whose only connection has these settings. */
function withSettings(settings: string): string {
  const connection = `channel: widget, externalId: site, agent: b, credentials: { secret: x }, settings: { ${settings} }`;
  return `tenants: [{ slug: a, name: x, agents: [{ slug: b, name: y }], connections: [{ ${connection} }] }]`;
}

function parse(text: string, env: Record<string, string> = {}) {
  return parseConfigFile({ fileName: 'konstruct.yaml', text }, env).file;
}

function problemsOf(text: string, env: Record<string, string> = {}): string[] {
  try {
    parse(text, env);
    return [];
  } catch (error) {
    if (!isKonstructError(error, 'config_invalid')) throw error;
    return error.message.split('\n').slice(1);
  }
}

const company = `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }]
    connections:
      - channel: slack
        externalId: T0ACME
        agent: ada
        credentials: { botToken: "\${TOKEN}" }
`;

describe('parseConfigFile', () => {
  it('fills in defaults and the environment', () => {
    const [tenant] = parse(company, { TOKEN: 'xoxb-1' }).tenants ?? [];
    const none = { dailyUsd: null, monthlyUsd: null, dailyTokens: null, monthlyTokens: null };
    expect(tenant).toMatchObject({ timeZone: 'UTC', budget: none, personBudget: none });
    expect(tenant?.agents?.[0]).toMatchObject({
      budget: none,
      limits: { maxSteps: 20, maxToolCalls: 40, maxTurnSeconds: 600, maxTurnUsd: null },
    });
    expect(tenant?.agents?.[0]).toMatchObject({ route: 'default', placeholder: 'Thinking…', persona: '' });
    expect(tenant?.connections?.[0]).toMatchObject({ credentials: { botToken: 'xoxb-1' }, settings: {} });
  });

  it('reads a Telegram bot, and says what is wrong with one', () => {
    const bot = (externalId: string, credentials: string) =>
      company
        .replace('slack', 'telegram')
        .replace('T0ACME', externalId)
        .replace(/credentials: .*/, `credentials: ${credentials}`);
    const [tenant] = parse(bot('"123456789"', '{ botToken: "123456789:AAH" }')).tenants ?? [];
    expect(tenant?.connections?.[0]).toMatchObject({ channel: 'telegram', externalId: '123456789' });
    const problems = problemsOf(bot('"@ada_bot"', '{ token: "123456789:AAH" }')).join('\n');
    expect(problems).toContain('the number before the colon in its token');
    expect(problems).toContain('is not a credential of telegram');
  });

  it('reads a WhatsApp number, and says what is wrong with one', () => {
    const number = (externalId: string, credentials: string) =>
      company
        .replace('slack', 'whatsapp')
        .replace('T0ACME', externalId)
        .replace(/credentials: .*/, `credentials: ${credentials}`);
    const [tenant] =
      parse(number('"106540352242922"', '{ accessToken: "EAA", verifyToken: "v" }')).tenants ?? [];
    expect(tenant?.connections?.[0]).toMatchObject({ channel: 'whatsapp', externalId: '106540352242922' });
    const problems = problemsOf(number('"+15550783881"', '{ token: "EAA" }')).join('\n');
    expect(problems).toContain('the phone number ID');
    expect(problems).toContain('is not a credential of whatsapp');
  });

  it.each([
    [':owl:', true],
    [':+1:', true],
    ['https://acme.example/ada.png', true],
    ['http://acme.example/ada.png', false],
    ['owl', false],
    ['https://acme.example/a b', false],
  ])('takes the icon %s of an agent: %s', (icon, isTaken) => {
    const text = company.replace('name: Ada', `name: Ada, icon: ${JSON.stringify(icon)}`);
    if (isTaken) expect(parse(text, { TOKEN: 'x' }).tenants?.[0]?.agents?.[0]).toMatchObject({ icon });
    else
      expect(problemsOf(text, { TOKEN: 'x' }).join()).toContain('is neither the https address of a picture');
  });

  it('takes what a model looks at, as far as there is such a thing', () => {
    const routes = (kinds: string) =>
      `routes:\n  default:\n    - { provider: ollama, model: mine, accepts: ${kinds} }\n`;
    expect(parse(routes('[image, pdf]')).routes?.[0]?.entries[0]).toMatchObject({
      accepts: ['image', 'pdf'],
    });
    expect(problemsOf(routes('[video]')).join()).toContain('accepts');
  });

  it('reads the example, and the example explains every section', () => {
    const text = readFileSync(new URL('../../examples/konstruct.yaml', import.meta.url), 'utf8');
    const file = parse(text, { ACME_SLACK_BOT_TOKEN: 'xoxb-1' });
    expect(file.routes?.[0]?.name).toBe('default');
    expect(file.tenants?.[0]?.agents?.map(({ slug }) => slug)).toEqual(['ada', 'max']);
    expect(file.tenants?.[0]?.agents?.[0]?.persona.length).toBeGreaterThan(100);
  });

  it('names file, line, column, field and variable when the environment lacks one', () => {
    expect(problemsOf(company)).toEqual([
      '  konstruct.yaml:10:34: tenants[0].connections[0].credentials.botToken needs the environment variable TOKEN, which is not set; set it, or write $${TOKEN} if the text is meant as it stands.',
    ]);
  });

  it('leaves $${NAME} as text, and takes numbers from the environment', () => {
    const text = `
tenants:
  - slug: acme
    name: "$\${NAME}"
    budget:
      dailyUsd: \${USD}
`;
    const [tenant] = parse(text, { USD: '12.5' }).tenants ?? [];
    expect(tenant?.name).toBe(`\${NAME}`);
    expect(tenant?.budget.dailyUsd).toBe(12.5);
  });

  it('reads anchors and merged keys', () => {
    const file = parse(`
tenants:
  - slug: acme
    name: Acme
    agents:
      - &base { slug: ada, name: Ada, role: Support }
      - { <<: *base, slug: bob }
`);
    expect(file.tenants?.[0]?.agents?.[1]).toMatchObject({ slug: 'bob', name: 'Ada', role: 'Support' });
  });

  it('tells a section that is left out from an empty one', () => {
    expect(parse('')).toEqual({ routes: null, tenants: null });
    expect(parse('tenants: []\nroutes: {}')).toEqual({ routes: [], tenants: [] });
  });

  it.each([
    [
      'routes: { default: [{ provider: antropic, model: m }] }',
      'routes.default[0].provider',
      'did you mean anthropic?',
    ],
    ['routes: { default: [] }', 'routes.default', 'must have at least one entry'],
    ['routes: { a: [{ provider: openai-compatible, model: m }] }', 'routes.a[0].baseUrl', 'is missing'],
    ['routes: { a: [{ provider: openai, model: m, baseUrl: localhost }] }', 'routes.a[0].baseUrl', 'http(s)'],
    [
      'routes: { a: [{ provider: openai, model: m, apiKey: "two\\nlines" }] }',
      'routes.a[0].apiKey',
      'has a line break or another character in it that no key has; copy it again',
    ],
    [
      'routes: { a: [{ provider: openai, model: m, apiKeys: [sk-1, "cut…off"] }] }',
      'routes.a[0].apiKeys[1]',
      'copy it again',
    ],
    [
      'tenants: [{ slug: a, name: x, keys: { openai: "two\\nlines" } }]',
      'tenants[0].keys.openai[0]',
      'copy it again',
    ],
    [
      'routes: { a: [{ provider: openai, model: m, baseUrl: "https://bot:hunter2@example.com/v1" }] }',
      'routes.a[0].baseUrl',
      'holds a user name or password before the @, and an address is no secret; leave it out and give the key as apiKey',
    ],
    [
      'routes: { a: { entries: [{ provider: openai, model: m, baseUrl: "https://example.com/v1?api_key=hunter2" }] } }',
      'routes.a.entries[0].baseUrl',
      'holds a secret in its parameter api_key, and an address is no secret',
    ],
    ['tenant: []', 'tenant', 'did you mean tenants?'],
    ['tenants: [{ slug: a, name: 12 }]', 'tenants[0].name', 'must be text, not a number (put it in quotes)'],
    ['tenants: [{ slug: a, name: true }]', 'tenants[0].name', 'not true or false (put it in quotes)'],
    ['tenants: [{ slug: a, name: x, budget: 5 }]', 'tenants[0].budget', 'a mapping of keys, not a number.'],
    [
      withSettings('ratePerMinute: 30.5'),
      `${settingsPath}.ratePerMinute`,
      'must be a whole number, not one with decimals.',
    ],
    [
      withSettings('allowAnonymous: 1'),
      `${settingsPath}.allowAnonymous`,
      'must be true or false, not a number.',
    ],
    ['tenants: [{ slug: A, name: x }]', 'tenants[0].slug', 'lower-case'],
    ['tenants: [{ slug: a }]', 'tenants[0].name', 'is missing'],
    ['tenants: [{ slug: a, name: }]', 'tenants[0].name', 'is empty; give text'],
    ['tenants: [{ slug: a, name: x, timeZone: "+02:00" }]', 'tenants[0].timeZone', 'IANA'],
    ['tenants: [{ slug: a, name: x, timeZone: Europe/Bern }]', 'tenants[0].timeZone', 'Europe/Berlin'],
    [
      'tenants: [{ slug: a, name: x, budget: { dailyTokens: 1.5 } }]',
      'tenants[0].budget.dailyTokens',
      'whole',
    ],
    [
      'tenants: [{ slug: a, name: x, budget: { monthlyTokens: lots } }]',
      'tenants[0].budget.monthlyTokens',
      'number',
    ],
    [
      'tenants: [{ slug: a, name: x, personBudget: { dailyUSD: 1 } }]',
      'tenants[0].personBudget.dailyUSD',
      'did you mean dailyUsd?',
    ],
    [
      'tenants: [{ slug: a, name: x, agents: [{ slug: b, name: y, limits: { maxSteps: 0 } }] }]',
      'tenants[0].agents[0].limits.maxSteps',
      'at least 1',
    ],
    [
      'tenants: [{ slug: a, name: x, agents: [{ slug: b, name: y, budget: { monthlyUsd: -3 } }] }]',
      'tenants[0].agents[0].budget.monthlyUsd',
      'at least 0',
    ],
    [
      'routes: { r: [{ provider: openai, model: m, price: { inputUsdPerMillion: 1 } }] }',
      'routes.r[0].price.outputUsdPerMillion',
      'is missing',
    ],
    ['tenants: [{ slug: a, name: x, budget: { dailyUsd: -1 } }]', 'tenants[0].budget.dailyUsd', 'at least 0'],
    [
      'tenants: [{ slug: a, name: x, budget: { dailyUsd: 0.00001 } }]',
      'tenants[0].budget.dailyUsd',
      'decimals',
    ],
    ['tenants: [{ slug: a, name: x }, { slug: a, name: y }]', 'tenants[1].slug', 'is taken already (line 1)'],
    [
      'tenants: [{ slug: a, name: x, agents: [{ slug: b, name: y, tools: [curent_time] }] }]',
      'tenants[0].agents[0].tools[0]',
      'did you mean current_time?',
    ],
    [
      'tenants: [{ slug: a, name: x, agents: [{ slug: b, name: y, tools: [browse_web] }] }]',
      'tenants[0].agents[0].tools[0]',
      'there are current_time, read_conversation',
    ],
    [
      'tenants: [{ slug: a, name: x, agents: [{ slug: b, name: y, tools: [current_time, current_time] }] }]',
      'tenants[0].agents[0].tools[1]',
      'is named already',
    ],
    ['tenants: [{ slug: a, name: x, agents: 3 }]', 'tenants[0].agents', 'must be a list, not a number'],
  ])('refuses %s', (text, field, problem) => {
    const problems = problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(` ${field} `);
    expect(problems[0]).toContain(problem);
  });

  it('refuses connections that cannot work', () => {
    const connection = (fields: string) => `
tenants:
  - slug: acme
    name: Acme
    agents: [{ slug: ada, name: Ada }]
    connections: [{ channel: slack, externalId: T0ACME, agent: ada, credentials: { botToken: x }, ${fields} }]`;
    expect(problemsOf(connection('agent: adda'))[0]).toContain('Map keys must be unique');
    const replace = (from: string, to: string) => problemsOf(connection('appId: A1').replace(from, to));
    expect(replace('agent: ada,', 'agent: adda,')[0]).toContain('does not have; did you mean ada?');
    expect(replace('channel: slack', 'channel: slak')[0]).toContain('did you mean slack?');
    expect(replace('T0ACME', 'acme.slack.com')[0]).toContain('the id of a Slack workspace');
    expect(replace('botToken: x', 'botoken: x')).toHaveLength(1);
    expect(replace('botToken: x', '')[0]).toContain('credentials.botToken is missing');
    expect(replace('appId: A1', 'settings: { ratePerMinute: 0 }')[0]).toContain('must be at least 1');
    expect(replace('appId: A1', 'settings: { onDeletion: remove }')[0]).toContain('settings.onDeletion');
    expect(replace('appId: A1', 'settings: { editWindowMinutes: -1 }')[0]).toContain('must be at least 0');
    expect(replace('appId: A1', 'settings: { stopWords: [1] }')[0]).toContain('settings.stopWords[0]');
    expect(replace('appId: A1', 'settings: { template: late }')[0]).toContain('late_answer/en');
    for (const wrong of [
      'https://a.example/',
      'https://a.example/x',
      'a.example',
      'https://A.example',
      '"*"',
      'null',
    ])
      expect(replace('appId: A1', `settings: { allowedOrigins: [${wrong}] }`)[0], wrong).toContain(
        'settings.allowedOrigins[0]',
      );
    expect(replace('appId: A1', 'settings: { allowedOrigins: ["http://localhost:3000"] }')).toEqual([]);
    expect(replace('name: Ada', 'name: Ada, busyMode: steeer')[0]).toContain('busyMode');
  });

  it('finds one workspace connected twice, in whichever tenants', () => {
    const twice = company + company.replace('tenants:\n', '').replace('slug: acme', 'slug: other');
    expect(problemsOf(twice, { TOKEN: 'x' })).toEqual([
      expect.stringContaining(
        ':17:21: tenants[1].connections[0].externalId is connected a second time (first: line 8)',
      ),
    ]);
  });

  it('reports everything at once, in the order of the lines, without values of the environment', () => {
    const problems = problemsOf(
      `
routes:
  default: [{ provider: openai, model: m, baseUrl: "\${KEY}" }]
tenants:
  - slug: acme
    nam: Acme
    agents: [{ slug: ada, name: "\${MISSING}" }, { slug: ada, name: x }]
`,
      { KEY: 'hunter2' },
    );
    expect(problems.map((problem) => problem.split(' ')[2])).toEqual([
      'konstruct.yaml:3:52:',
      'konstruct.yaml:5:5:',
      'konstruct.yaml:6:5:',
      'konstruct.yaml:7:33:',
      'konstruct.yaml:7:57:',
    ]);
    expect(problems.join()).not.toContain('hunter2');
  });

  it('names the place of broken YAML', () => {
    expect(problemsOf('tenants: [1\nroutes: {}')[0]).toMatch(
      /^ {2}konstruct\.yaml:2:\d+: this is not valid YAML/,
    );
    expect(problemsOf(`tenants: { a: \${B} }`)).toEqual([
      expect.stringMatching(/konstruct\.yaml:1:16: this is not valid YAML: .*in quotes/),
    ]);
    expect(problemsOf('tenants: *nowhere')[0]).toMatch(/konstruct\.yaml:1:\d+:/);
    expect(problemsOf('just text')[0]).toContain('must be a mapping of keys, not text');
  });
});
