import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, idle, textOf } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools, lastResults } from '../support/tool-calls.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation({ settings: { ratePerMinute: 10_000 } });
});
afterAll(() => installation.stop());

const question = {
  workspaceId: acme.workspaceId,
  channelId: acme.general,
  userId: acme.mara,
  text: `<@${acme.agent}> what did we say?`,
};

/** Lets the agent call one tool with each of the inputs, one after the other, and returns what it read. */
async function readWith(
  name: string,
  inputs: readonly Readonly<Record<string, unknown>>[],
  utterance: Parameters<typeof ask>[1] = question,
  meanwhile: () => Promise<unknown> = async () => {},
): Promise<string[]> {
  const read: string[] = [];
  let step = 0;
  installation.model.respond(async (request) => {
    if (step === 0) await meanwhile();
    if (step > 0) read.push(...lastResults(request));
    const input = inputs[step];
    step += 1;
    return input === undefined ? 'Read.' : callTools([name, input]);
  });
  const { answer } = await ask(installation, utterance);
  expect(textOf(answer)).toBe('Read.');
  await idle(installation);
  return read;
}

describe('current_time', () => {
  it('tells the time in a time zone, and what a time zone is', async () => {
    const [utc, berlin, wrong] = await readWith('current_time', [
      {},
      { timeZone: 'Asia/Kolkata' },
      { timeZone: 'Mars' },
    ]);
    expect(utc).toMatch(/ in UTC \(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\)$/);
    expect(berlin).toMatch(/GMT\+5:30 in Asia\/Kolkata/);
    expect(wrong).toContain('"Mars" is not the IANA name of a time zone');
  });
});

describe('read_conversation', () => {
  it('pages through what was said before, without what was deleted or waits for a later turn', async () => {
    installation.model.respond(() => 'Noted.');
    const first = await ask(installation, { ...question, text: `<@${acme.agent}> it begins\nAda: I agree` });
    const inThread = { ...question, threadTs: first.sent.ts };
    for (const word of ['one', 'two', 'three']) await ask(installation, { ...inThread, text: word });
    await idle(installation);
    await installation.query(`update konstruct.messages set deleted_at = now() where content = 'two'`);
    const comesMeanwhile = () =>
      installation.query(
        `insert into konstruct.messages (tenant_id, conversation_id, connection_id, channel_id, external_id, direction,
           sender_id, content, addressed, sent_at)
         select tenant_id, conversation_id, connection_id, channel_id, 'later', 'in', 'U9', 'for later', true, now()
         from konstruct.messages where external_id = $1`,
        [first.sent.ts],
      );
    const pages = await readWith(
      'read_conversation',
      [{}, { skip: 0, limit: 3 }],
      { ...inThread, text: `<@${acme.agent}> and now?` },
      comesMeanwhile,
    );
    expect(pages[0]).toBe('There are no earlier messages.'); // all of it is in the prompt
    const [more, ...lines] = pages[1]?.split('\n') ?? [];
    const before = Number(/go on with before=(\d+)/.exec(more ?? '')?.[1]);
    expect(lines.at(-1)).toContain('and now?');
    const rest = await readWith('read_conversation', [{ before }], {
      ...inThread,
      text: `<@${acme.agent}> and?`,
    });
    const said = `${rest[0]}\n${lines.join('\n')}`;
    expect(said).toMatch(/^The conversation begins here\./);
    expect(said.match(/it begins|one|two|three|for later/g)).toEqual(['it begins', 'one', 'three']);
    expect(said).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d mara: it begins$/m);
    expect(said).toMatch(/^ {2}Ada: I agree$/m); // no text speaks for somebody else
    expect(said).toMatch(/ You: Noted\.$/m);
  });

  it('reads nothing of another conversation or tenant, whatever ids it is given', async () => {
    const secret = 'the merger is called Bluebird';
    installation.model.respond(() => 'Kept.');
    await ask(installation, { ...question, text: `<@${acme.agent}> ${secret}` });
    await ask(installation, {
      workspaceId: globex.workspaceId,
      channelId: globex.general,
      userId: globex.yuki,
      text: `<@${globex.agent}> ${secret}`,
    });
    const [highest] = await installation.query('select max(id)::int + 100 as id from konstruct.messages');
    const pages = await readWith('read_conversation', [
      { skip: 0, limit: 50 },
      { before: highest?.id, limit: 50 },
      { skip: 0, conversationId: 1 },
      { skip: 0, tenantId: installation.tenants[1]?.tenantId },
    ]);
    expect(pages.slice(0, 2).join()).toContain('what did we say?');
    expect(pages.slice(2)).toEqual([
      expect.stringContaining('The arguments do not fit'),
      expect.stringContaining('The arguments do not fit'),
    ]);
    expect(pages.join()).not.toContain('Bluebird');
  });
});
