import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agentTexts, answerTo, ask, idle, textOf, until } from '../support/conversation.ts';
import { acme, globex } from '../support/people.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';

let installation: Installation;
beforeAll(async () => {
  installation = await startInstallation();
});
afterAll(() => installation.stop());

const inGeneral = { workspaceId: acme.workspaceId, channelId: acme.general, userId: acme.mara };

describe('a mention in a channel', () => {
  it('turns into a placeholder and then the answer, in the thread of the mention', async () => {
    const { simulator, model } = installation;
    const texts: string[] = [];
    const unsubscribe = simulator.subscribe((event) => {
      if (event.type !== 'message.posted' && event.type !== 'message.changed') return;
      if (event.message.isAgent) texts.push(textOf(event.message));
    });
    model.respond(() => ({ text: 'Refunds take **14 days**.', delayMs: 50 }));
    const { sent, answer } = await ask(installation, {
      ...inGeneral,
      text: `<@${acme.agent}> can you check the refund policy?`,
    });
    unsubscribe();
    expect(await sent.acked).toBe(true);
    expect(answer.threadId).toBe(sent.ts);
    expect(texts).toEqual(['Thinking…', 'Refunds take **14 days**.']);
    expect(simulator.messages(acme.workspaceId, acme.general, sent.ts).map(({ isAgent }) => isAgent)).toEqual(
      [false, true],
    );
    const prompt = model.requests.at(-1);
    expect(prompt?.messages.at(-1)?.content).toBe('mara: can you check the refund policy?');
    expect(JSON.stringify(prompt?.body)).toContain('Persona of Acme');
  });

  it('is answered once although it arrives as message and as app_mention, in either order', async () => {
    const { simulator, model } = installation;
    model.respond(() => 'Once.');
    for (const pairOrder of ['message_first', 'mention_first'] as const) {
      simulator.faults.update({ pairOrder, pairGapMs: 40 });
      const before = model.requests.length;
      const { sent } = await ask(installation, { ...inGeneral, text: `hello <@${acme.agent}>` });
      await sent.acked;
      await idle(installation);
      expect(model.requests.length - before, pairOrder).toBe(1);
      expect(agentTexts(installation, sent), pairOrder).toEqual(['Once.']);
    }
    simulator.faults.update({ pairOrder: 'message_first', pairGapMs: 0 });
  });

  it('is not the only thing written: what nobody addressed to the agent is neither stored nor answered', async () => {
    const { simulator, model } = installation;
    const requests = model.requests.length;
    const [before] = await installation.query('select count(*)::int as n from konstruct.messages');
    const sent = await simulator.say({ ...inGeneral, text: 'Anybody for lunch?' });
    expect(await sent.acked).toBe(true);
    await idle(installation);
    expect(await installation.query('select count(*)::int as n from konstruct.messages')).toEqual([before]);
    expect(model.requests.length).toBe(requests);
  });
});

describe('a direct message', () => {
  it('is answered without a mention, in the thread of the message, and the DM is one conversation', async () => {
    const { model } = installation;
    const inDirect = { workspaceId: acme.workspaceId, channelId: acme.directMara, userId: acme.mara };
    model.respond(({ messages }) => `Heard ${messages.length}: ${messages.at(-1)?.content}`);
    const first = await ask(installation, { ...inDirect, text: 'My name is Mara.' });
    expect(first.answer.threadId).toBe(first.sent.ts);
    expect(textOf(first.answer)).toBe('Heard 1: My name is Mara.');
    await idle(installation);
    const second = await ask(installation, { ...inDirect, text: 'What is my name?' });
    expect(textOf(second.answer)).toBe('Heard 3: What is my name?');
    const conversations = await installation.query(
      'select thread_id from konstruct.conversations where channel_id = $1',
      [acme.directMara],
    );
    expect(conversations).toEqual([{ thread_id: '' }]);
  });
});

describe('a thread in a DM', () => {
  it('is a conversation of its own that knows what it began with', async () => {
    const { model } = installation;
    const inDirect = { workspaceId: acme.workspaceId, channelId: acme.directMara, userId: acme.mara };
    model.respond(() => 'Paris.');
    const { sent } = await ask(installation, { ...inDirect, text: 'What is the capital of France?' });
    await idle(installation);
    const expected = [
      { role: 'user', content: 'What is the capital of France?' },
      { role: 'assistant', content: 'Paris.' },
      { role: 'user', content: 'And how big is it?' },
    ];
    model.respond(() => 'Big.');
    const reply = await installation.simulator.say({
      ...inDirect,
      text: 'And how big is it?',
      threadTs: sent.ts,
    });
    await answerTo(installation, reply, (text) => text === 'Big.');
    await idle(installation);
    expect(model.requests.at(-1)?.messages).toEqual(expected);
    model.respond(() => 'Bigger.');
    const next = await installation.simulator.say({ ...inDirect, text: 'And London?', threadTs: sent.ts });
    await answerTo(installation, next, (text) => text === 'Bigger.');
    expect(model.requests.at(-1)?.messages).toEqual([
      ...expected,
      { role: 'assistant', content: 'Big.' },
      { role: 'user', content: 'And London?' },
    ]);
  });
});

describe('an engaged thread', () => {
  it('is followed without a mention, and no longer than 30 minutes after the last reply', async () => {
    const { simulator, model } = installation;
    model.respond(() => 'I follow.');
    const { sent } = await ask(installation, { ...inGeneral, text: `<@${acme.agent}> hello` });
    await idle(installation);
    const [engaged] = await installation.query(
      `select round(extract(epoch from engaged_until - now()) / 60) as minutes from konstruct.conversations where thread_id = $1`,
      [sent.ts],
    );
    expect(Number(engaged?.minutes)).toBe(30);

    model.respond(() => 'Still here.');
    const reply = await simulator.say({ ...inGeneral, text: 'and what about that?', threadTs: sent.ts });
    await answerTo(installation, reply, (text) => text === 'Still here.');
    await idle(installation);

    await installation.query(
      `update konstruct.conversations set engaged_until = now() - interval '1 s' where thread_id = $1`,
      [sent.ts],
    );
    const requests = model.requests.length;
    const late = await simulator.say({ ...inGeneral, text: 'something among ourselves', threadTs: sent.ts });
    expect(await late.acked).toBe(true);
    await idle(installation);
    expect(model.requests.length).toBe(requests);
    expect(agentTexts(installation, sent)).toEqual(['I follow.', 'Still here.']);
  });

  it('is followed as long as the connection says', async () => {
    const connection = installation.tenants[0]?.connectionId;
    await installation.query(
      `update konstruct.connections set settings = '{"followMinutes": 5}' where id = $1`,
      [connection],
    );
    const { sent } = await ask(installation, {
      ...inGeneral,
      channelId: acme.support,
      text: `<@${acme.agent}> hello`,
    });
    await idle(installation);
    const [engaged] = await installation.query(
      `select round(extract(epoch from engaged_until - now()) / 60) as minutes from konstruct.conversations where thread_id = $1`,
      [sent.ts],
    );
    expect(Number(engaged?.minutes)).toBe(5);
    await installation.query(`update konstruct.connections set settings = '{}' where id = $1`, [connection]);
  });

  it('is left alone by a message that begins by addressing another person, which still is context later', async () => {
    const { simulator, model } = installation;
    model.respond(() => 'Yes.');
    const { sent } = await ask(installation, { ...inGeneral, text: `<@${acme.agent}> are you there?` });
    await idle(installation);
    const requests = model.requests.length;
    const aside = await simulator.say({
      ...inGeneral,
      text: `<@${acme.tomas}> please bring the blue folder`,
      threadTs: sent.ts,
    });
    expect(await aside.acked).toBe(true);
    await idle(installation);
    expect(model.requests.length).toBe(requests);
    const question = await simulator.say({
      ...inGeneral,
      text: 'which folder did I mean?',
      threadTs: sent.ts,
    });
    await until('the model was asked', () => model.requests.length > requests);
    await answerTo(installation, question);
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('@tomas please bring the blue folder');
  });

  it('is read first when the agent is mentioned in the middle of it', async () => {
    const { simulator, model } = installation;
    model.respond(() => 'I read it.');
    const root = await simulator.say({ ...inGeneral, text: 'The printer on floor 2 is broken.' });
    await simulator.say({
      ...inGeneral,
      userId: acme.tomas,
      text: 'It says PC LOAD LETTER.',
      threadTs: root.ts,
    });
    const mention = await simulator.say({
      ...inGeneral,
      text: `<@${acme.agent}> any idea?`,
      threadTs: root.ts,
    });
    await answerTo(installation, mention);
    expect(model.requests.at(-1)?.messages).toEqual([
      {
        role: 'user',
        content:
          'mara: The printer on floor 2 is broken.\n\ntomas: It says PC LOAD LETTER.\n\nmara: any idea?',
      },
    ]);
  });
});

describe('a second workspace', () => {
  it('has its own agent, and neither prompt nor conversation of the first', async () => {
    const { model } = installation;
    model.respond(() => 'From my own company.');
    await ask(installation, { ...inGeneral, text: `<@${acme.agent}> the code word is marmalade` });
    const { answer } = await ask(installation, {
      workspaceId: globex.workspaceId,
      channelId: globex.general,
      userId: globex.yuki,
      text: `<@${globex.agent}> what is the code word?`,
    });
    expect(answer.userId).toBe(globex.agent);
    const prompt = JSON.stringify(model.requests.at(-1)?.body);
    expect(prompt).toContain('Persona of Globex');
    expect(prompt).not.toMatch(/marmalade|Acme/);
  });
});

describe('a very long answer', () => {
  it('is split at paragraphs and continued in the thread, in order', async () => {
    const { simulator, model } = installation;
    const paragraphs = Array.from(
      { length: 60 },
      (_, index) => `${index + 1}. ${'word '.repeat(100).trim()}.`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    const { sent } = await ask(installation, { ...inGeneral, text: `<@${acme.agent}> tell me everything` });
    await idle(installation);
    const texts = agentTexts(installation, sent);
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.join('\n\n')).toBe(paragraphs.join('\n\n'));
    expect(simulator.messages(acme.workspaceId, acme.general, sent.ts)[1]?.editedAtMs).not.toBeNull();
  });
});
