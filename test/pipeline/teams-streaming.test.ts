import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import {
  ada,
  mara,
  startTeamsInstallation,
  type TeamsInstallation,
} from '../support/teams/start-teams-installation.ts';
import type { Conversation } from '../support/teams/teams-world.ts';

let installation: TeamsInstallation;
beforeAll(async () => {
  installation = await startTeamsInstallation(
    { ratePerMinute: 10_000, streaming: 'native' },
    { timing: { modelRetryDelaysMs: [200, 200, 200] } },
  );
});
afterAll(() => installation.stop());

let chat: Conversation;
let before: number;
beforeEach(() => {
  const { newConversation, teams, model } = installation;
  chat = newConversation('personal');
  before = teams.calls.length;
  teams.streaming = 'allowed';
  model.respond(() => whole);
});

const words = ['Refunds ', 'take ', '14 ', 'days, ', 'and ', 'shipping ', 'is ', 'not ', 'refunded.'];
const whole = words.join('');

async function* slowly(pauseMs: number, pieces: readonly string[] = words): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece;
    await sleep(pauseMs);
  }
}

const ask = () => installation.teams.say(chat.id, { from: mara, text: 'what is the refund policy?' });
const texts = () => installation.texts(chat);

/** What was asked of Teams in this test, in order: the kind of activity, without repetitions. */
function calls(): string[] {
  const names = installation.teams.calls
    .slice(before)
    .filter(({ conversationId }) => conversationId.startsWith(chat.id))
    .map(({ method, activity }) => {
      const [entity] = (activity.entities ?? []) as readonly { streamType?: string }[];
      return entity === undefined ? method : String(entity.streamType);
    });
  return names.filter((name, index) => name !== names[index - 1]);
}

/** All that the agent's messages said until the condition holds. */
async function watch(isOver: (texts: readonly string[]) => boolean): Promise<Set<string>> {
  const seen = new Set<string>();
  await until('all was shown', () => {
    for (const text of texts()) seen.add(text);
    return isOver(texts());
  });
  await installation.idle();
  return seen;
}

describe('an answer by Teams’ own streaming', () => {
  it('grows in one message that takes the placeholder’s place, and is formatted in the end', async () => {
    installation.model.respondNext({ pieces: slowly(400, [...words, ' **All**', ' of it.']) });
    await ask();
    await until('something stands there', () => texts().length > 0);
    expect(texts()).toEqual(['Thinking…']);
    const seen = await watch((all) => all.join() === `${whole} All of it.`);
    expect(texts()).toEqual([`${whole} All of it.`]);
    const grown = [...seen].filter((text) => text !== '' && whole.startsWith(text));
    expect(grown.length).toBeGreaterThanOrEqual(1);
    expect(calls()).toEqual(['POST', 'informative', 'DELETE', 'streaming', 'final', 'PUT']);
    const [message] = [...chat.messages.values()].filter(({ from }) => from.id === ada.id);
    expect(message?.text).toContain('<b>All</b>');
    const [known] = await installation.query(
      `select external_id from konstruct.messages where direction = 'out' and external_id = $1`,
      [message?.id],
    );
    expect(known).toBeDefined();
  });

  it.each(['groupChat', 'channel'] as const)('is shown by edits in a %s', async (type) => {
    chat = installation.newConversation(type);
    installation.model.respondNext({ pieces: slowly(400) });
    await installation.teams.say(chat.id, { from: mara, text: '<at>Ada</at> refunds?', mentions: [ada] });
    const seen = await watch((all) => all.join() === whole);
    expect([...seen].some((text) => /^Refunds.* …$/.test(text))).toBe(true);
    expect(calls()).toEqual(['POST', 'PUT']);
  });

  it('is shown by edits where Teams refuses', async () => {
    installation.teams.streaming = 'refused';
    installation.model.respondNext({ pieces: slowly(400) });
    await ask();
    const seen = await watch((all) => all.join() === whole);
    expect([...seen].some((text) => / …$/.test(text))).toBe(true);
    expect(calls()).toEqual(['POST', 'informative', 'PUT']);
  });

  it('is another model’s in the end, when the first fails in the middle', async () => {
    const { model } = installation;
    const asked = model.requests.length;
    model.respond(() =>
      model.requests.length - asked === 1
        ? { pieces: slowly(500, words.slice(0, 6)), after: 'cut' }
        : { pieces: slowly(300, ['Two ', 'weeks.']) },
    );
    await ask();
    const seen = await watch((all) => all.join() === 'Two weeks.');
    expect([...seen].some((text) => text.startsWith('Refunds'))).toBe(true);
    expect(texts()).toEqual(['Two weeks.']);
  });

  it('stands in one message, although a tool ran between what was written and it', async () => {
    const { model, query } = installation;
    await query(`update konstruct.agents set tools = '{current_time}'`);
    const asked = model.requests.length;
    model.respond(() =>
      model.requests.length - asked === 1
        ? {
            pieces: slowly(700, ['Let me ', 'look ', 'at the ', 'clock.']),
            toolCalls: [{ id: 'call_1', name: 'current_time', input: {} }],
          }
        : { pieces: slowly(500, ['It ', 'is ', 'noon ', 'in ', 'Paris.']) },
    );
    await ask();
    const seen = await watch((all) => all.length === 1 && all.join().endsWith('It is noon in Paris.'));
    await query(`update konstruct.agents set tools = '{}'`);
    expect([...seen].some((text) => text.startsWith('Let me'))).toBe(true);
    expect(texts()).toHaveLength(1);
    expect(calls().filter((name) => name === 'final')).toHaveLength(1);
    expect(calls().at(-1)).toBe('PUT');
  });

  it('that is longer than a message goes on in further ones', async () => {
    const long = Array.from({ length: 4_000 }, (_, index) => `w${index}`).join(' ');
    installation.model.respondNext({ pieces: slowly(500, [...words, ' ', long]) });
    await ask();
    await watch((all) => all.length > 1 && all.join(' ').endsWith('w3999'));
    expect(texts().join(' ').split(/\s+/)).toEqual(`${whole} ${long}`.split(' '));
  });

  it('is stopped by the button that Teams shows, as by the word: nothing of it stays', async () => {
    installation.model.respondNext({ pieces: slowly(700, [...words, ...words]) });
    await ask();
    await until('it is being written', () => texts().some((text) => text.startsWith('Refunds')));
    expect(installation.teams.stopStream(chat.id)).toBe(true);
    await until('it is stopped', () => texts().join() === 'Stopped.');
    await installation.model.requests.at(-1)?.abandoned;
    await installation.idle();
    expect(texts()).toEqual(['Stopped.']);
    const [turn] = await installation.query('select status from konstruct.turns order by id desc limit 1');
    expect(turn).toEqual({ status: 'cancelled' });
  });

  it('is stopped, too, when nothing more was to be written', async () => {
    let isStopped = false;
    async function* pieces(): AsyncGenerator<string> {
      yield 'Refunds take ';
      await until('it is being written', () => texts().some((text) => text.startsWith('Refunds')));
      isStopped = installation.teams.stopStream(chat.id);
      yield '14 days.';
    }
    installation.model.respondNext({ pieces: pieces() });
    await ask();
    await until('it is stopped', () => texts().join() === 'Stopped.');
    await installation.idle();
    expect(isStopped).toBe(true);
    expect(texts()).toEqual(['Stopped.']);
  });
});
