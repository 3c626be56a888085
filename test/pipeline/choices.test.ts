import { afterAll, describe, expect, it } from 'vitest';
import { idle, until } from '../support/conversation.ts';
import type { ParleyMessage } from '../support/parley/parley.ts';
import {
  type ParleyInstallation,
  shareParleyInstallations,
} from '../support/parley/start-parley-installation.ts';
import { callTools, lastResults } from '../support/tool-calls.ts';

const installations = shareParleyInstallations();
afterAll(() => installations.stop());
let started: ParleyInstallation;

const timing = { deliveryRetryDelaysMs: [20, 20, 20], modelRetryDelaysMs: [20, 20, 20] };
const start = async (): Promise<ParleyInstallation> => {
  started = await installations.get('all', { agent: { name: 'Ada', icon: ':owl:' }, app: { timing } });
  return started;
};

const days = ['Monday', 'Tuesday'];
const offer = (choices: readonly string[]) => callTools(['offer_choices', { choices }]);

describe('choices that a model offers', () => {
  it('stand as buttons below the last part of the answer, those of its last call; the record has them too', async () => {
    await start();
    const { model } = started.installation;
    const long = `${'x'.repeat(4_000)}Which day?`;
    model.respondNext(offer(['Never', 'Always']), offer(days), long);
    const said = await started.say('when?');
    const parts = await started.answersTo(said);
    expect(parts.map(({ choices }) => choices)).toEqual([[], days]);
    expect(parts.at(-1)?.markdown).toBe('Which day?');
    expect(lastResults(started.requests[1] as never)).toEqual([expect.stringContaining('below your answer')]);
    model.respondNext('Fine.');
    await started.say('the second one', { threadId: said.messageId });
    await until('the answer', () => started.answers(said).length === 3);
    expect(started.requests.at(-1)?.messages.at(-2)?.content).toMatch(
      /Which day\?\n\n1\. Monday\n2\. Tuesday$/,
    );
  });

  it('are said by whoever presses them, once, in the same conversation', async () => {
    await start();
    const { model } = started.installation;
    model.respondNext(offer(days), 'Which day?');
    const said = await started.say('when?');
    const [question] = await started.answersTo(said);
    model.respond(() => 'Noted.');
    await started.press(question as ParleyMessage, 'Tuesday', 'a1', 'PRIYA');
    await started.press(question as ParleyMessage, 'Tuesday', 'a1', 'PRIYA');
    await until('it is answered', () => started.answers(said).length === 2);
    await started.press(question as ParleyMessage, 'Tuesday', 'a1', 'PRIYA');
    await idle(started.installation);
    expect(started.answers(said).map(({ markdown }) => markdown)).toEqual(['Which day?', 'Noted.']);
    const prompt = started.requests.at(-1)?.messages.map(({ content }) => content);
    expect(prompt).toEqual(['mara: when?', 'Which day?\n\n1. Monday\n2. Tuesday', 'priya: Tuesday']);
    const conversations = await started.installation.query(
      `select distinct conversation_id from konstruct.messages where content = 'Tuesday' or external_id = $1`,
      [said.messageId],
    );
    expect(conversations).toHaveLength(1);
    expect(started.parley.acknowledged.map(({ choice }) => choice)).toContain('Tuesday');
    // The same button again, pressed by somebody else, is another press.
    await started.press(question as ParleyMessage, 'Tuesday', 'a2', 'TOMAS');
    await until('it is answered too', () => started.answers(said).length === 3);
    expect(started.requests.at(-1)?.messages.at(-1)?.content).toBe('tomas: Tuesday');
  });

  it('are there when the answer is sent again, and when another attempt goes on behind the call', async () => {
    await start();
    const { model, query } = started.installation;
    model.respondNext(offer(days), 'Which day?');
    started.parley.hurt('edit', 'lost', 'away'); // the answer: done, but nobody knows; then not even that
    const said = await started.say('when?');
    const stored = () =>
      query(
        `select d.detail from konstruct.deliveries d join konstruct.messages m on m.turn_id = d.turn_id
         where d.kind = 'answer' and m.external_id = $1`,
        [said.messageId],
      );
    await until(
      'the answer is committed',
      async () => (await query(`select 1 from konstruct.turns where status = 'committed'`)).length > 0,
    );
    expect(await stored()).toEqual([{ detail: { choices: days } }]);
    await idle(started.installation);
    expect(started.answers(said).map(({ markdown, choices }) => ({ markdown, choices }))).toEqual([
      { markdown: 'Which day?', choices: days },
    ]);

    // Put back between the call and the answer: the log of the turn has the choices.
    model.respondNext(offer(['Red', 'Blue']), { status: 529 }, { status: 529 }, { status: 529 });
    model.respond(() => 'Which colour?');
    const next = await started.say('colour?');
    const [colours] = await started.answersTo(next);
    expect(colours?.choices).toEqual(['Red', 'Blue']);
    expect(started.requests.filter(({ messages }) => messages.at(-1)?.role === 'user')).toHaveLength(2);
  });

  it('go when an answer without any takes the place of theirs', async () => {
    await start();
    const { model } = started.installation;
    model.respondNext(offer(days), 'Which day?');
    const said = await started.say('when?');
    await started.answersTo(said);
    model.respond(() => 'Never mind.');
    const { account, channelId, messageId, mentions } = said;
    const edit = { type: 'edit', account, eventId: null, channelId, messageId, threadId: null } as const;
    await started.send({ ...edit, scope: 'channel', text: 'forget it', mentions, editedAtMs: Date.now() });
    await until('the answer is replaced', () => started.answers(said)[0]?.markdown === 'Never mind.');
    expect(started.answers(said)[0]?.choices).toEqual([]);
  });

  it('must be at least two: otherwise the model is told, and nothing is offered', async () => {
    await start();
    started.installation.model.respondNext(offer(['Only']), 'All right.');
    const [answer] = await started.answersTo(await started.say('when?'));
    expect(answer?.choices).toEqual([]);
    expect(lastResults(started.requests[1] as never)).toEqual([expect.stringContaining('do not fit')]);
  });
});

describe('the agent', () => {
  it('speaks under its own name and icon, in the placeholder and in the answer', async () => {
    await start();
    const posted: unknown[] = [];
    started.installation.model.respond(() => {
      posted.push([...started.parley.messages.values()].at(-1)?.author);
      return 'Yes.';
    });
    const [answer] = await started.answersTo(await started.say('really?'));
    expect(posted).toEqual([{ name: 'Ada', icon: ':owl:' }]);
    expect(answer?.author).toEqual({ name: 'Ada', icon: ':owl:' });
  });
});

describe('choices that do not fit on buttons', () => {
  it('are written out where there are no buttons, and a number that is said then means something', async () => {
    started = await installations.get('no buttons', { capabilities: { buttons: null } });
    const { model } = started.installation;
    model.respondNext(offer(['  Monday\n morning ', 'Tuesday', 'Tuesday']), 'Which day?');
    const said = await started.say('when?');
    const [answer] = await started.answersTo(said);
    const written = 'Which day?\n\n1. Monday morning\n2. Tuesday';
    expect(answer?.markdown).toBe(written);
    expect(answer?.choices).toEqual([]);
    model.respondNext('Tuesday it is.');
    await started.say('2', { threadId: said.messageId });
    await until('the answer', () => started.answers(said).length === 2);
    expect(started.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'mara: when?',
      written,
      'mara: 2',
    ]);
  });

  it.each([
    ['are too many', ['a', 'b', 'c'], ['a', 'b']],
    ['are too long', ['short', 'rather longer'], ['short', 'rather…']],
  ])(
    'fill the buttons there are and are written out as well when they %s',
    async (_why, choices, buttons) => {
      started = await installations.get('two', { capabilities: { buttons: { max: 2, maxCharacters: 7 } } });
      started.installation.model.respondNext(offer(choices), 'Which?');
      const [answer] = await started.answersTo(await started.say('what?'));
      expect(answer?.choices).toEqual(buttons);
      const list = choices.map((choice, index) => `${index + 1}. ${choice}`).join('\n');
      expect(answer?.markdown).toBe(`Which?\n\n${list}`);
    },
  );
});
