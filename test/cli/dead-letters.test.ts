import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SentMessage } from '../../src/simulator/simulator.ts';
import { agentTexts, answerTo, ask, idle } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { runKonstruct } from '../support/run-konstruct.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

const slug = acme.workspaceId.toLowerCase();

let installation: Installation;
let first: SentMessage;
let ids: string[] = [];

beforeAll(async () => {
  installation = await startInstallation();
  installation.model.respondNext(callTools(['read_conversation', { skip: 0 }]));
  installation.model.respond(() => ({ status: 400 }));
  const mara = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
  first = (await ask(installation, { ...mara, text: `<@${acme.agent}> marmalade` })).sent;
  await ask(installation, { ...mara, text: `<@${acme.agent}> again` });
  const yuki = { workspaceId: globex.workspaceId, channelId: globex.general, userId: globex.yuki };
  await ask(installation, { ...yuki, text: `<@${globex.agent}> hello` });
  await idle(installation);
  const rows = await installation.query(`select id from konstruct.turns where status = 'dead' order by id`);
  ids = rows.map(({ id }) => String(id));
});
afterAll(() => installation.stop());

const deadLetters = (args: string) =>
  runKonstruct(`dead-letters ${args}`, {
    env: {
      DATABASE_URL: installation.databaseUrl,
      KONSTRUCT_MASTER_KEY: installation.masterKey.toString('base64'),
    },
  });

// Each call is a whole process; the tests build on each other.
describe('konstruct dead-letters', { timeout: 60_000 }, () => {
  it.each([
    ['', /Usage: konstruct dead-letters/],
    ['show', /missing required argument 'id'/],
    ['list --limit many', /--limit is a number from 1 to 10000, not "many"/],
    ['replay', /Name the dead letters by their ids, or say --all/],
    ['discard 1x', /"1x" is not the id of a dead letter/],
    ['replay 1 --all', /not both/],
  ])('exits with 2 when called wrongly: %s', async (args, message) => {
    const { code, stderr, stdout } = await deadLetters(args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('lists them newest first, of one tenant or of all, without what people wrote', async () => {
    const [plain, json, unknown] = await Promise.all([
      deadLetters('list'),
      deadLetters(`list --json --limit 1 --tenant ${slug}`),
      deadLetters('list --tenant nobody'),
    ]);
    const lines = plain.stdout.trim().split('\n');
    expect(lines[0]).toMatch(/^ID +DIED +TENANT +AGENT +CHANNEL +REASON +MODEL CALLS +TOLD$/);
    expect(lines.slice(1).map((line) => line.split(' ')[0])).toEqual([...ids].reverse());
    expect(lines.at(-1)).toMatch(new RegExp(`${slug} +ada +slack ${acme.general} +model_rejected +2 +yes$`));
    expect(JSON.parse(json.stdout)).toMatchObject([{ id: Number(ids[1]), tenant: slug, told: true }]);
    expect(plain.stdout + json.stdout).not.toMatch(/marmalade|could not reach/);
    expect(unknown).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^konstruct: There is no tenant "nobody"\./),
    });
  });

  it('shows one with its steps, and texts only when asked', async () => {
    const [plain, withTexts, json, unknown] = await Promise.all([
      deadLetters(`show ${ids[0]}`),
      deadLetters(`show ${ids[0]} --texts`),
      deadLetters(`show ${ids[0]} --json`),
      deadLetters('show 999999'),
    ]);
    expect(plain.code).toBe(0);
    expect(plain.stdout).toMatch(/reason +model_rejected: Every model of the route refused/);
    expect(plain.stdout).toMatch(/openai-compatible test: rejected 400/);
    expect(plain.stdout).not.toMatch(/marmalade|could not reach/);
    expect(withTexts.stdout).toMatch(/\| .*marmalade/);
    expect(withTexts.stdout).toMatch(/\| I could not reach my model/);
    expect(json.stdout).not.toMatch(/marmalade|could not reach|"text"/);
    expect(JSON.parse(json.stdout)).toMatchObject({
      steps: [
        { outcome: 'tool_calls', detail: { attempts: [{ outcome: 'ok' }] } },
        { kind: 'tool', outcome: 'ok', detail: { name: 'read_conversation' } },
        { outcome: 'model_rejected' },
      ],
      messages: [{}],
    });
    expect(plain.stdout).toMatch(/ tool {2}ok {2}read_conversation {2}\d+ ms/);
    expect(unknown).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/There is no dead letter 999999/),
    });
  });

  it('replays what it can once, says what it cannot, and the thread has its answer', async () => {
    installation.model.respond(() => 'Here it is.');
    const { code, stdout, stderr } = await deadLetters(`replay ${ids[0]} ${ids[0]} 999999`);
    expect(stdout).toBe(`Replayed ${ids[0]}: it is answered now.\n`);
    expect(stderr).toMatch(/^konstruct: There is no dead letter 999999\./);
    expect(code).toBe(1);
    await answerTo(installation, first, (answer) => answer === 'Here it is.');
    await idle(installation);
    expect(agentTexts(installation, first)).toEqual(['Here it is.']);
    const again = await deadLetters(`replay ${ids[0]} --json`);
    expect(JSON.parse(again.stdout)).toMatchObject({
      replayed: [],
      failed: [{ code: 'dead_letter_closed' }],
    });
    expect(again.code).toBe(1);
  });

  it('discards one; --all takes the rest, and then there is nothing to do', async () => {
    expect(await deadLetters(`discard ${ids[1]}`)).toMatchObject({
      code: 0,
      stdout: `Discarded ${ids[1]}.\n`,
    });
    const [left, all, ofTenant] = await Promise.all([
      deadLetters('list --json'),
      deadLetters('list --all'),
      deadLetters(`replay --all --tenant ${slug}`),
    ]);
    expect(JSON.parse(left.stdout)).toMatchObject([{ id: Number(ids[2]) }]);
    expect(all.stdout).toMatch(new RegExp(`^${ids[1]} .*model_rejected \\(discarded\\)`, 'm'));
    expect(ofTenant).toMatchObject({ code: 0, stdout: 'There are no dead letters.\n' });
    expect(await deadLetters('replay --all')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Replayed \d+:/),
    });
    await idle(installation);
    expect((await deadLetters('list')).stdout).toBe('There are no dead letters.\n');
  });
});
