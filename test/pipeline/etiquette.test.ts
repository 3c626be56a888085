import { afterEach, describe, expect, it } from 'vitest';
import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import { agentTexts, answerTo, ask, idle, textOf, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import {
  type Installation,
  type InstallationOptions,
  startInstallation,
} from '../support/start-installation.ts';

let installation: Installation;
afterEach(() => installation.stop());

async function start(options: InstallationOptions = {}): Promise<Installation> {
  installation = await startInstallation(options);
  return installation;
}

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };
const question = { ...inGeneral, text: `<@${acme.agent}> what about Monday?` };

/** The words of the people that the model was last asked about. */
function lastPrompt(): string {
  return installation.model.requests.at(-1)?.messages.at(-1)?.content ?? '';
}

async function turns(): Promise<readonly Record<string, unknown>[]> {
  return installation.query('select status, cancel from konstruct.turns order by id');
}

async function modelWorks(requests = 1): Promise<void> {
  await until('the model works', () => installation.model.requests.length === requests);
}

async function placeholderStands(ts: string): Promise<string> {
  const placeholder = await installation.simulator.waitFor(
    (message) => message.isAgent && message.threadId === ts && textOf(message) === 'Thinking…',
    10_000,
  );
  return placeholder.messageId;
}

describe('an edit', () => {
  it('of a message that waits changes what is answered', async () => {
    const { simulator, model } = await start({ app: { role: 'gateway' } });
    model.respond(() => 'Answer.');
    const sent = await simulator.say(question);
    await sent.acked;
    await simulator.edit(sent, `<@${acme.agent}> what about Tuesday?`);
    await until(
      'the edit is stored',
      async () =>
        (await installation.query(`select 1 from konstruct.messages where content like '%Tuesday%'`)).length >
        0,
    );
    await installation.startApp({ role: 'worker' });
    await answerTo(installation, sent);
    expect(lastPrompt()).toBe('mara: what about Tuesday?');
    expect(model.requests.length).toBe(1);
  });

  it('while the agent works is looked at after the answer, which is then replaced where it stands', async () => {
    const { simulator, model } = await start();
    const texts: string[] = [];
    simulator.subscribe((event) => {
      if ((event.type === 'message.changed' || event.type === 'message.posted') && event.message.isAgent)
        texts.push(textOf(event.message));
    });
    model.respondNext({ text: 'About Monday.', delayMs: 400 });
    model.respond(() => 'About Tuesday.');
    const sent = await simulator.say(question);
    await modelWorks();
    await simulator.edit(sent, `<@${acme.agent}> what about Tuesday?`);
    await answerTo(installation, sent, (text) => text === 'About Tuesday.');
    await idle(installation);
    expect(texts).toEqual(['Thinking…', 'About Monday.', 'About Tuesday.']);
    expect(agentTexts(installation, sent)).toEqual(['About Tuesday.']);
    expect(model.requests.length).toBe(2);
    expect(model.requests[1]?.messages).toEqual([{ role: 'user', content: 'mara: what about Tuesday?' }]);
    expect(
      await installation.query(`select content from konstruct.messages where direction = 'out'`),
    ).toEqual([{ content: 'About Tuesday.' }]);
  });

  it('after the answer makes the agent look again, and a shorter answer leaves nothing of the longer one', async () => {
    const { simulator, model } = await start();
    const long = Array.from({ length: 3 }, (_, part) => `${'word '.repeat(2_200)}end ${part}`).join('\n\n');
    model.respondNext(long);
    model.respond(() => 'Short.');
    const { sent } = await ask(installation, question);
    await idle(installation);
    expect(agentTexts(installation, sent).length).toBeGreaterThan(1);
    await simulator.edit(sent, `<@${acme.agent}> what about Tuesday?`);
    await until('it is replaced', () => agentTexts(installation, sent).join() === 'Short.');
    await idle(installation);
    // Again, and longer: what does not fit into the first message follows it.
    model.respond(() => long);
    await simulator.edit(sent, `<@${acme.agent}> what about Wednesday?`);
    await until('it is replaced again', () => agentTexts(installation, sent).length > 1);
    await idle(installation);
    expect(
      agentTexts(installation, sent)
        .join(' ')
        .match(/end \d/g),
    ).toEqual(['end 0', 'end 1', 'end 2']);
    expect(model.requests.length).toBe(3);
  });

  it('after the answer changes nothing when a later turn has answered since, or the window has closed', async () => {
    const { simulator, model } = await start({ settings: { editWindowMinutes: 5 } });
    model.respond(() => 'Answer.');
    const { sent } = await ask(installation, question);
    await idle(installation);
    const later = await simulator.say({ ...inGeneral, text: 'and then?', threadTs: sent.ts });
    await until('both are answered', () => agentTexts(installation, sent).length === 2);
    await idle(installation);
    await simulator.edit(sent, `<@${acme.agent}> something else`);
    await until(
      'the edit is stored',
      async () =>
        (await installation.query(`select 1 from konstruct.messages where content like 'something else'`))
          .length > 0,
    );
    await installation.query(`update konstruct.turns set finished_at = finished_at - interval '6 minutes'`);
    await simulator.edit(later, 'and now?');
    await until(
      'that edit is stored',
      async () =>
        (await installation.query(`select 1 from konstruct.messages where content = 'and now?'`)).length > 0,
    );
    await idle(installation);
    expect(model.requests.length).toBe(2);
  });

  it('is none when only a preview was added', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Answer.');
    const { sent } = await ask(installation, question);
    await idle(installation);
    const message = { type: 'message', user: acme.mara, text: question.text, ts: sent.ts };
    const acked = await simulator.fire(
      acme.workspaceId,
      {
        type: 'message',
        subtype: 'message_changed',
        message: { ...message, attachments: [{ from_url: 'https://example.com' }] },
        previous_message: message,
        channel: acme.general,
        ts: '1900000000.000100',
        event_ts: '1900000000.000100',
      },
      acme.general,
    );
    expect(acked).toBe(true);
    await idle(installation);
    expect(model.requests.length).toBe(1);
  });

  it('that comes twenty times at once costs at most one more look than answers under way', async () => {
    const { simulator, model } = await start();
    const edited = Promise.withResolvers<void>();
    model.respond(async ({ messages }) => {
      await edited.promise;
      return `About: ${messages.at(-1)?.content}`;
    });
    const sent = await simulator.say(question);
    await modelWorks();
    for (let day = 1; day <= 20; day += 1)
      await simulator.edit(sent, `<@${acme.agent}> what about day ${day}?`);
    await until('the last of them is stored', async () => {
      const stored = await installation.query(
        `select 1 from konstruct.messages where content like '%day 20?'`,
      );
      return stored.length === 1;
    });
    edited.resolve();
    await until(
      'the last words are answered',
      () => agentTexts(installation, sent).join() === 'About: mara: what about day 20?',
    );
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['About: mara: what about day 20?']);
    expect(model.requests.length).toBeLessThanOrEqual(3);
  });
});

describe('a deletion', () => {
  it('while the agent works ends the model call and takes the placeholder away', async () => {
    const { simulator, model } = await start();
    model.respond(() => ({ hang: true }));
    const sent = await simulator.say(question);
    await modelWorks();
    await placeholderStands(sent.ts);
    const other = await simulator.say({ ...inGeneral, text: 'keeps the thread', threadTs: sent.ts });
    await other.acked;
    await simulator.deleteMessage(sent);
    await model.requests[0]?.abandoned;
    model.respond(() => 'To the other one.');
    await idle(installation);
    expect((await turns())[0]).toEqual({ status: 'cancelled', cancel: 'deleted' });
    expect(agentTexts(installation, sent)).toEqual(['To the other one.']);
  });

  it('of some of the messages lets the turn go on with the rest', async () => {
    const { simulator, model } = await start({ app: { role: 'gateway' } });
    model.respond(() => 'Answer.');
    const first = await simulator.say({ ...question, text: `<@${acme.agent}> first` });
    const second = await simulator.say({ ...question, text: `<@${acme.agent}> second`, threadTs: first.ts });
    await Promise.all([first.acked, second.acked]);
    await simulator.deleteMessage(second);
    await until(
      'the deletion is stored',
      async () =>
        (await installation.query('select 1 from konstruct.messages where deleted_at is not null')).length ===
        1,
    );
    await installation.startApp({ role: 'worker' });
    await answerTo(installation, first);
    expect(lastPrompt()).toBe('mara: first');
  });

  it('after the answer keeps it, unless the connection retracts', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Answer.');
    const { sent } = await ask(installation, question);
    await idle(installation);
    await simulator.deleteMessage(sent);
    await until(
      'the deletion is stored',
      async () =>
        (await installation.query('select 1 from konstruct.messages where deleted_at is not null')).length ===
        1,
    );
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Answer.']);
  });

  it('after the answer takes back all of its parts where the connection retracts', async () => {
    const { simulator, model } = await start({ settings: { onDeletion: 'retract' } });
    model.respond(() => Array.from({ length: 3 }, () => 'word '.repeat(2_200)).join('\n\n'));
    const { sent } = await ask(installation, question);
    await idle(installation);
    expect(agentTexts(installation, sent).length).toBeGreaterThan(1);
    await simulator.deleteMessage(sent);
    await until('the answer is gone', () => agentTexts(installation, sent).length === 0);
    await idle(installation);
    expect(await turns()).toEqual([
      { status: 'answered', cancel: null },
      { status: 'cancelled', cancel: 'retract' },
    ]);
    expect(
      await installation.query('select distinct content from konstruct.messages'),
      'the words go with the messages',
    ).toEqual([{ content: '' }]);
  });
});

describe('what overtakes its message', () => {
  /** Says something that does not arrive; returns what lets it arrive. */
  async function sayLate() {
    const { simulator } = installation;
    simulator.faults.update({
      faults: [
        { kind: 'event_drop', event: 'app_mention' },
        { kind: 'event_drop', event: 'message', remaining: 1 },
      ],
    });
    const sent = await simulator.say(question);
    await sent.acked;
    simulator.faults.update({ faults: [] });
    const { userId: user, channelId: channel, text } = question;
    const event = { type: 'app_mention', user, channel, text, ts: sent.ts, event_ts: sent.ts };
    return { sent, arrive: () => simulator.fire(acme.workspaceId, event, channel) };
  }

  async function keptEarly(column: 'deleted_at' | 'edited_at'): Promise<void> {
    await until('it came first', async () => {
      const kept = await installation.query(
        `select 1 from konstruct.early_signals where ${column} is not null`,
      );
      return kept.length === 1;
    });
  }

  it('is applied when the message comes: a deletion', async () => {
    const { simulator, model } = await start();
    const { sent, arrive } = await sayLate();
    await simulator.deleteMessage(sent);
    await keptEarly('deleted_at');
    expect(await arrive()).toBe(true);
    await idle(installation);
    expect(model.requests.length).toBe(0);
    expect(await installation.query('select 1 from konstruct.messages')).toEqual([]);
  });

  it('is applied when the message comes: an edit', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Answer.');
    const { sent, arrive } = await sayLate();
    await simulator.edit(sent, `<@${acme.agent}> what about Tuesday?`);
    await keptEarly('edited_at');
    expect(await arrive()).toBe(true);
    await answerTo(installation, sent);
    await idle(installation);
    expect(lastPrompt()).toBe('mara: what about Tuesday?');
    expect(model.requests.length).toBe(1);
  });
});

describe('what people change among themselves', () => {
  it('is not kept, not even for a day', async () => {
    const { simulator } = await start();
    const edits: string[] = [];
    simulator.subscribe((event) => {
      if (event.type === 'delivery.attempted' && event.delivery.outcome === 'ok')
        edits.push(event.delivery.eventType);
    });
    const root = await simulator.say({ ...inGeneral, text: 'Anybody for lunch?' });
    const reply = await simulator.say({ ...inGeneral, text: 'me', threadTs: root.ts });
    await simulator.edit(root, 'Anybody for dinner?');
    await simulator.edit(reply, 'me too');
    await until(
      'both edits are acked',
      () => edits.filter((type) => type === 'message.message_changed').length === 2,
    );
    expect(await installation.query('select 1 from konstruct.early_signals')).toEqual([]);
  });
});

describe('stop', () => {
  it('as a reaction on the placeholder ends the model call, and says so there', async () => {
    const { simulator, model } = await start();
    model.respond(() => ({ hang: true }));
    const sent = await simulator.say(question);
    await modelWorks();
    const ts = await placeholderStands(sent.ts);
    await simulator.react({ ...sent, ts }, { userId: acme.tomas, name: 'octagonal_sign', present: true });
    await model.requests[0]?.abandoned;
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Stopped.']);
    expect(await turns()).toEqual([{ status: 'cancelled', cancel: 'stopped' }]);
    model.respond(() => 'Again.');
    const next = await simulator.say({ ...question, threadTs: sent.ts });
    await answerTo(installation, next, (text) => text === 'Again.');
    expect(agentTexts(installation, sent)).toEqual(['Stopped.', 'Again.']);
  });

  it('as a word in the thread ends the turn of another process, and what waits behind it', async () => {
    const { simulator, model } = await start({ app: { role: 'worker' } });
    await installation.startApp({ role: 'worker' });
    await installation.startApp({ role: 'gateway' });
    model.respond(() => ({ hang: true }));
    const sent = await simulator.say(question);
    await modelWorks();
    await placeholderStands(sent.ts);
    const waiting = await simulator.say({ ...inGeneral, text: 'and Tuesday?', threadTs: sent.ts });
    await waiting.acked;
    const stop = await simulator.say({ ...inGeneral, userId: acme.tomas, text: 'Stopp!', threadTs: sent.ts });
    expect(await stop.acked).toBe(true);
    await model.requests[0]?.abandoned;
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Stopped.']);
    expect(model.requests.length).toBe(1);
  });

  it('in a direct message reaches the turn from the thread in which its answer stands', async () => {
    const { simulator, model } = await start();
    model.respond(() => ({ hang: true }));
    const direct = { workspaceId: acme.workspaceId, channelId: acme.directMara, userId: acme.mara };
    const sent = await simulator.say({ ...direct, text: 'what about Monday?' });
    await modelWorks();
    await placeholderStands(sent.ts);
    await simulator.say({ ...direct, text: 'stop', threadTs: sent.ts });
    await model.requests[0]?.abandoned;
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['Stopped.']);
  });

  it('without a turn ends the engagement, silently and without a model call', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Answer.');
    const { sent } = await ask(installation, question);
    await idle(installation);
    const stop = await simulator.say({ ...inGeneral, text: 'stop', threadTs: sent.ts });
    expect(await stop.acked).toBe(true);
    const chat = await simulator.say({ ...inGeneral, text: 'now we are alone', threadTs: sent.ts });
    expect(await chat.acked).toBe(true);
    await idle(installation);
    expect(model.requests.length).toBe(1);
    const again = await simulator.say({ ...question, threadTs: sent.ts });
    await until('mentioned again, it answers', () => agentTexts(installation, sent).length === 2);
    expect(await again.acked).toBe(true);
  });

  it.each([
    ['the agent itself', acme.agent],
    ['another bot', 'U0ACMEBOT01'],
  ])('of %s is ignored', async (_who, user) => {
    const [seed, ...others] = defaultSeeds;
    if (seed === undefined) throw new Error('There is no workspace.');
    const bot = { botId: 'B0ACMEBOT01', appId: 'A0ACMEBOT01' };
    const users = [...seed.users, { id: 'U0ACMEBOT01', handle: 'builds', name: 'Builds', bot }];
    const { simulator, model } = await start({ workspaces: [{ ...seed, users }, ...others] });
    const letGo = Promise.withResolvers<void>();
    model.respond(async () => {
      await letGo.promise;
      return 'Answer.';
    });
    const sent = await simulator.say(question);
    await modelWorks();
    const stop = (by: string) =>
      simulator.fire(
        acme.workspaceId,
        {
          type: 'reaction_added',
          user: by,
          reaction: 'octagonal_sign',
          item: { type: 'message', channel: acme.general, ts: sent.ts },
          event_ts: '1900000000.000100',
        },
        acme.general,
      );
    expect(await stop(user)).toBe(true);
    expect((await turns()).map(({ cancel }) => cancel)).toEqual([null]);
    letGo.resolve();
    expect(textOf(await answerTo(installation, sent))).toBe('Answer.');
  });

  it('that comes a second time, after the next question, does not end that', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Answer.');
    const { sent } = await ask(installation, question);
    await idle(installation);
    model.respond(() => ({ text: 'Second.', delayMs: 300 }));
    const next = await simulator.say({ ...question, threadTs: sent.ts });
    await modelWorks(2);
    await simulator.fire(
      acme.workspaceId,
      {
        type: 'reaction_added',
        user: acme.mara,
        reaction: 'octagonal_sign',
        item: { type: 'message', channel: acme.general, ts: sent.ts },
        event_ts: sent.ts,
      },
      acme.general,
    );
    await answerTo(installation, next, (text) => text === 'Second.');
  });
});

describe('a muted thread', () => {
  it('is left alone, also when the agent is mentioned, until the mark is taken off', async () => {
    const { simulator, model } = await start();
    model.respond(() => 'Answer.');
    const { sent } = await ask(installation, question);
    await idle(installation);
    const muted = async (expected: boolean) =>
      until(`muted: ${expected}`, async () => {
        const [row] = await installation.query('select muted from konstruct.conversations');
        return row?.muted === expected;
      });
    await simulator.react(sent, { userId: acme.mara, name: 'mute', present: true });
    await simulator.react(sent, { userId: acme.tomas, name: 'mute', present: true });
    await muted(true);
    const ignored = await simulator.say({ ...question, threadTs: sent.ts });
    await ignored.acked;
    await simulator.react(sent, { userId: acme.mara, name: 'mute', present: false });
    await idle(installation);
    await muted(true);
    expect(model.requests.length).toBe(1);
    await simulator.react(sent, { userId: acme.tomas, name: 'mute', present: false });
    await muted(false);
    await simulator.say({ ...question, threadTs: sent.ts });
    await until('it answers again', () => agentTexts(installation, sent).length === 2);
    expect(model.requests.length).toBe(2);
  });

  it('ends the turn that runs, and is opened again by a mention that says unmute', async () => {
    const { simulator, model } = await start();
    model.respond(() => ({ hang: true }));
    const sent = await simulator.say(question);
    await modelWorks();
    const ts = await placeholderStands(sent.ts);
    await simulator.react({ ...sent, ts }, { userId: acme.tomas, name: 'mute', present: true });
    await model.requests[0]?.abandoned;
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual([]);
    const unmute = await simulator.say({ ...inGeneral, text: `<@${acme.agent}> unmute`, threadTs: sent.ts });
    expect(await unmute.acked).toBe(true);
    model.respond(() => 'Back.');
    await simulator.say({ ...question, threadTs: sent.ts });
    await until('it answers', () => agentTexts(installation, sent).join() === 'Back.');
  });
});

describe('an agent that is interrupted by new messages', () => {
  it('begins the turn anew with all of them, in the same place, and keeps the ended call in its log', async () => {
    const { simulator, model } = await start({ agent: { busyMode: 'interrupt' } });
    model.respondNext({ hang: true });
    model.respond(() => 'To both.');
    const sent = await simulator.say(question);
    await modelWorks();
    await placeholderStands(sent.ts);
    await simulator.say({ ...inGeneral, text: 'I mean Tuesday', threadTs: sent.ts });
    await model.requests[0]?.abandoned;
    await answerTo(installation, sent);
    await idle(installation);
    expect(agentTexts(installation, sent)).toEqual(['To both.']);
    expect(lastPrompt()).toContain('what about Monday?');
    expect(lastPrompt()).toContain('I mean Tuesday');
    expect(await turns()).toEqual([{ status: 'answered', cancel: null }]);
    expect(await installation.query('select outcome from konstruct.steps order by position')).toEqual([
      { outcome: 'interrupted' },
      { outcome: 'stop' },
    ]);
  });

  it('begins anew also after an edit', async () => {
    const { simulator, model } = await start({ agent: { busyMode: 'interrupt' } });
    model.respondNext({ hang: true });
    model.respond(() => 'About Tuesday.');
    const sent = await simulator.say(question);
    await modelWorks();
    await simulator.edit(sent, `<@${acme.agent}> what about Tuesday?`);
    await model.requests[0]?.abandoned;
    await answerTo(installation, sent);
    await idle(installation);
    expect(lastPrompt()).toBe('mara: what about Tuesday?');
    expect(agentTexts(installation, sent)).toEqual(['About Tuesday.']);
    expect(model.requests.length).toBe(2);
  });
});

describe('a connection that is removed while the agent works', () => {
  it('does not leave the placeholder standing', async () => {
    const { simulator, model } = await start();
    model.respond(() => ({ hang: true }));
    const sent = await simulator.say(question);
    await modelWorks();
    await placeholderStands(sent.ts);
    await installation.query('delete from konstruct.connections where tenant_id = $1', [
      installation.tenants[0]?.tenantId,
    ]);
    await model.requests[0]?.abandoned;
    await until('the placeholder is gone', () => agentTexts(installation, sent).length === 0);
  });
});
