import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { choiceCard } from '../../src/channels/teams/choice-card.ts';
import { until } from '../support/conversation.ts';
import {
  ACME,
  ada,
  GLOBEX,
  INITECH,
  mara,
  ownApp,
  sharedApp,
  startTeamsInstallation,
  type TeamsInstallation,
  tomas,
} from '../support/teams/start-teams-installation.ts';
import type { Card, Conversation, Message } from '../support/teams/teams-world.ts';

let installation: TeamsInstallation;
beforeAll(async () => {
  installation = await startTeamsInstallation({ ratePerMinute: 1_000 });
});
afterAll(() => installation.stop());

const hey = (text: string) => ({ from: mara, text: `<at>Ada</at> ${text}`, mentions: [ada] });

async function askedOf(conversation: Conversation, text: string, rootId?: string): Promise<Message> {
  const { teams } = installation;
  const saying = conversation.type === 'personal' ? { from: mara, text } : hey(text);
  const sent = await teams.say(conversation.id, { ...saying, ...(rootId === undefined ? {} : { rootId }) });
  const answer = await installation.answerTo(conversation, sent);
  await installation.idle();
  return answer;
}

const lastPrompt = () => installation.model.requests.at(-1)?.messages.map(({ content }) => content);

describe('a mention in a channel', () => {
  it('turns into a placeholder and then the answer, formatted, below the post', async () => {
    const { teams, model, newConversation } = installation;
    const channel = newConversation('channel');
    model.respond(() => ({ text: 'Refunds take **14 days**.\nAsk <Tomas>.', delayMs: 50 }));
    const calls = teams.calls.length;
    const sent = await teams.say(channel.id, hey('can you check the refund policy?'));
    const answer = await installation.answerTo(channel, sent);
    await installation.idle();
    expect(answer).toMatchObject({
      rootId: sent.id,
      text: 'Refunds take <b>14 days</b>.<br>Ask &lt;Tomas&gt;.',
      shown: 'Refunds take 14 days.\nAsk <Tomas>.',
      edits: 1,
    });
    expect(teams.calls.slice(calls).map(({ method, region }) => `${method} ${region}`)).toEqual([
      'POST emea',
      'PUT emea',
    ]);
    expect(lastPrompt()?.at(-1)).toBe('Mara K: can you check the refund policy?');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toMatch(/Microsoft Teams/);
  });

  it('is a thread of its own, in which others are answered while the agent is engaged', async () => {
    const { teams, model, newConversation, query } = installation;
    const channel = newConversation('channel');
    model.respond(() => 'Paris.');
    const first = await askedOf(channel, 'what is the capital of France?');
    model.respond(() => 'Big.');
    const rootId = first.rootId as string;
    await askedOf(channel, 'and how big is it?', rootId);
    expect(lastPrompt()).toEqual([
      'Mara K: what is the capital of France?',
      'Paris.',
      'Mara K: and how big is it?',
    ]);
    // With the permission to read a channel, Teams sends everything that is said there.
    const unmentioned = (text: string, root: string, id: string) => {
      const base = teams.activity(channel, sharedApp.appId, {
        type: 'message',
        id,
        from: tomas,
        text,
        conversation: { id: `${channel.id};messageid=${root}`, conversationType: 'channel', tenantId: ACME },
      });
      return teams.tell(sharedApp.appId, base);
    };
    model.respond(() => 'Older than Rome? No.');
    expect(await unmentioned('and how old?', rootId, '1900000000001')).toBe(200);
    await until('it is answered', () => installation.texts(channel).includes('Older than Rome? No.'));
    await installation.idle();
    const requests = model.requests.length;
    expect(await unmentioned('anybody for lunch?', '1900000000002', '1900000000002')).toBe(200);
    await installation.idle();
    expect(model.requests.length, 'a post for nobody').toBe(requests);
    expect(
      await query('select thread_id from konstruct.conversations where channel_id = $1', [channel.id]),
    ).toEqual([{ thread_id: rootId }]);
  });
});

describe('a personal chat', () => {
  it('is one conversation, answered without a mention', async () => {
    const { model, newConversation, query } = installation;
    const chat = newConversation('personal');
    model.respond(({ messages }) => `Heard ${messages.length}`);
    await askedOf(chat, 'hello');
    await askedOf(chat, 'a &lt; b &amp;&nbsp;c');
    expect(installation.texts(chat)).toEqual(['Heard 1', 'Heard 3']);
    expect(lastPrompt()?.at(-1)).toBe('a < b & c');
    expect(
      await query('select thread_id, scope from konstruct.conversations where channel_id = $1', [chat.id]),
    ).toEqual([{ thread_id: '', scope: 'direct' }]);
  });

  it('shows the agent what is replied to and what is passed on', async () => {
    const { teams, model, newConversation } = installation;
    const chat = newConversation('personal');
    model.respond(() => 'By the door.');
    const quotes = { from: tomas, id: '1500000000000', text: 'The printer is on fire' };
    await installation.answerTo(
      chat,
      await teams.say(chat.id, { from: mara, text: 'where is the exit?', quotes }),
    );
    await installation.idle();
    expect(lastPrompt()?.at(-1)).toBe(`> ${tomas.name}: The printer is on fire\n\nwhere is the exit?`);
    await installation.answerTo(
      chat,
      await teams.say(chat.id, { from: mara, text: 'and this?', passesOn: 'No exit.' }),
    );
    await installation.idle();
    expect(lastPrompt()?.at(-1)).toBe('> No exit.\n\nand this?');
  });

  it('continues a very long answer in further messages', async () => {
    const { model, newConversation } = installation;
    const chat = newConversation('personal');
    const paragraphs = Array.from(
      { length: 40 },
      (_, index) => `${index + 1}. ${'wörd & '.repeat(100).trim()}`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    await askedOf(chat, 'tell me everything');
    const texts = installation.texts(chat);
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.join('\n\n')).toBe(paragraphs.join('\n\n'));
  });
});

describe('a group chat', () => {
  it('is one conversation: who mentions the agent again goes on where it was', async () => {
    const { model, newConversation } = installation;
    const chat = newConversation('groupChat');
    model.respond(({ messages }) => `Heard ${messages.length}`);
    await askedOf(chat, 'we are three');
    await askedOf(chat, 'how many?');
    expect(lastPrompt()).toEqual(['Mara K: we are three', 'Heard 1', 'Mara K: how many?']);
    expect([...chat.messages.values()].every(({ rootId }) => rootId === null)).toBe(true);
  });
});

describe('what people take back or want', () => {
  it('an edit counts, and a deletion takes the answer’s reason away', async () => {
    const { teams, model, newConversation } = installation;
    const chat = newConversation('personal');
    model.respond(() => ({ text: 'First.', delayMs: 400 }));
    const requests = model.requests.length;
    await teams.say(chat.id, { from: mara, text: 'one' });
    await until('the model works', () => model.requests.length > requests);
    const second = await teams.say(chat.id, { from: mara, text: 'tow' });
    const third = await teams.say(chat.id, { from: mara, text: 'never mind' });
    const about = (type: string, eventType: string, id: string, text?: string) => {
      const fields = { type, id, from: mara, text, channelData: { eventType, tenant: { id: ACME } } };
      return teams.tell(sharedApp.appId, teams.activity(chat, sharedApp.appId, fields));
    };
    expect(await about('messageUpdate', 'editMessage', second.id, 'two')).toBe(200);
    expect(await about('messageDelete', 'softDeleteMessage', third.id)).toBe(200);
    model.respond(() => 'Second.');
    await installation.idle();
    const said = JSON.stringify(model.requests.at(-1)?.messages);
    expect(said).toContain('two');
    expect(said).not.toMatch(/tow|never mind/);
  });

  it.each(['reaction', 'word'] as const)('a stop as a %s ends the turn', async (way) => {
    const { teams, model, newConversation, query } = installation;
    const chat = newConversation('personal');
    model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
    await teams.say(chat.id, { from: mara, text: 'a long story, please' });
    await until('the placeholder is on record', async () => {
      const rows = await query(
        `select 1 from konstruct.deliveries where channel_id = $1 and kind = 'placeholder' and external_id is not null`,
        [chat.id],
      );
      return rows.length === 1;
    });
    if (way === 'word') await teams.say(chat.id, { from: mara, text: 'Stop!' });
    else {
      const placeholder = [...chat.messages.values()].find(({ shown }) => shown === 'Thinking…');
      const fields = {
        type: 'messageReaction',
        id: 'f:1',
        from: mara,
        replyToId: placeholder?.id,
        reactionsAdded: [{ type: '1f6d1_stopsign' }],
      };
      expect(await teams.tell(sharedApp.appId, teams.activity(chat, sharedApp.appId, fields))).toBe(200);
    }
    await installation.idle();
    expect(installation.texts(chat)).not.toContain('Too late.');
    expect(installation.texts(chat)).not.toContain('Thinking…');
  });

  it('an activity that comes again is answered once', async () => {
    const { teams, model, newConversation } = installation;
    const chat = newConversation('personal');
    model.respond(() => 'Once.');
    const fields = { type: 'message', id: '1900000000100', from: mara, text: 'again and again' };
    const activity = teams.activity(chat, sharedApp.appId, fields);
    const requests = model.requests.length;
    const statuses = await Promise.all([1, 2, 3].map(() => teams.tell(sharedApp.appId, activity)));
    await installation.idle();
    expect(statuses).toEqual([200, 200, 200]);
    expect(model.requests.length - requests).toBe(1);
    expect(installation.texts(chat)).toEqual(['Once.']);
  });

  it('the bot’s removal ends what it followed', async () => {
    const { teams, model, newConversation, query, log } = installation;
    const chat = newConversation('groupChat');
    model.respond(() => 'Hello.');
    await askedOf(chat, 'hi');
    const fields = {
      type: 'conversationUpdate',
      id: 'f:2',
      membersRemoved: [{ id: `28:${sharedApp.appId}` }],
    };
    expect(await teams.tell(sharedApp.appId, teams.activity(chat, sharedApp.appId, fields))).toBe(200);
    expect(
      await query('select engaged_until from konstruct.conversations where channel_id = $1', [chat.id]),
    ).toEqual([{ engaged_until: null }]);
    expect(log.lines.some(({ event }) => event === 'channel.departed')).toBe(true);
    chat.roster.clear();
    await teams.tell(
      sharedApp.appId,
      teams.activity(chat, sharedApp.appId, {
        type: 'message',
        id: '1900000000200',
        from: mara,
        ...{ text: '<at>Ada</at> still there?' },
        entities: [{ type: 'mention', mentioned: ada, text: '<at>Ada</at>' }],
      }),
    );
    await installation.idle();
    expect(
      await query(
        `select t.status, t.error_code from konstruct.turns t join konstruct.conversations c on c.id = t.conversation_id
         where c.channel_id = $1 order by t.id desc limit 1`,
        [chat.id],
      ),
    ).toEqual([{ status: 'dead', error_code: 'platform_rejected' }]);
  });
});

describe('a button', () => {
  it('says what stands on it, below the post, as the person’s own words', async () => {
    const { teams, model, newConversation } = installation;
    const channel = newConversation('channel');
    model.respond(() => 'Which one?');
    const asking = await askedOf(channel, 'give me a colour');
    const { content } = choiceCard('Which one?', ['Red', 'Blue']) as { content: Pick<Card, 'actions'> };
    (channel.messages.get(asking.id) as Message).card = { text: 'Which one?', actions: content.actions };
    model.respond(() => 'Blue it is.');
    expect(await teams.press(channel.id, asking.id, 'Blue', tomas)).toBe(200);
    await until('it is answered', () => installation.texts(channel).includes('Blue it is.'));
    await installation.idle();
    expect(lastPrompt()?.at(-1)).toBe('Tomas: Blue');
    expect([...channel.messages.values()].every(({ rootId }) => rootId === asking.rootId)).toBe(true);
  });
});

describe('companies that share the installation’s app', () => {
  it('never cross', async () => {
    const { teams, model, newConversation } = installation;
    const acmes = newConversation('channel', ACME);
    const globexs = newConversation('channel', GLOBEX);
    model.respond(({ body }) => {
      const said = JSON.stringify(body);
      return said.includes('Persona of acme') ? 'Acme speaks.' : 'Globex speaks.';
    });
    expect((await askedOf(acmes, 'the code word is marmalade')).shown).toBe('Acme speaks.');
    expect((await askedOf(globexs, 'what is the code word?')).shown).toBe('Globex speaks.');
    expect(JSON.stringify(model.requests.at(-1)?.body)).not.toMatch(/marmalade|Persona of acme/);
    for (const call of teams.calls) {
      if (call.appId === ownApp.appId) expect(call.conversationId).not.toContain(acmes.id);
    }
  });

  it('are unknown until they are connected: nothing is stored', async () => {
    const { teams, model, newConversation, log } = installation;
    const chat = newConversation('personal', 'dddddddd-dddd-4ddd-8ddd-dddddddddddd');
    const requests = model.requests.length;
    await teams.say(chat.id, { from: mara, text: 'hello?' });
    await installation.idle();
    expect(model.requests.length).toBe(requests);
    expect(log.lines.some(({ event }) => event === 'event.unknown_installation')).toBe(true);
  });
});

describe('a company with an app of its own', () => {
  it('is answered by that app, on its own path', async () => {
    const { teams, model, newConversation } = installation;
    const chat = newConversation('personal', INITECH, ownApp.appId);
    model.respond(() => 'Initech speaks.');
    const answer = await askedOf(chat, 'hello');
    expect(answer).toMatchObject({ shown: 'Initech speaks.', from: { id: `28:${ownApp.appId}` } });
    expect(teams.calls.filter(({ conversationId }) => conversationId === chat.id).at(-1)?.appId).toBe(
      ownApp.appId,
    );
  });

  it('is not reached by the installation’s app, nor are others by its own', async () => {
    const { teams, model, url, newConversation, connectionIds } = installation;
    const initechs = newConversation('personal', INITECH);
    const acmes = newConversation('personal', ACME, ownApp.appId);
    const requests = model.requests.length;
    const post = async (conversation: Conversation, path: string, appId: string) => {
      const fields = { type: 'message', id: '1900000000300', from: mara, text: 'let me in' };
      const activity = teams.activity(conversation, appId, fields);
      const headers = { authorization: `Bearer ${teams.sign(appId, activity)}` };
      const body = JSON.stringify(activity);
      return (await fetch(`${url}/teams/messages${path}`, { method: 'POST', headers, body })).status;
    };
    expect(await post(initechs, '', sharedApp.appId)).toBe(401);
    expect(await post(initechs, `/${connectionIds[2]}`, sharedApp.appId)).toBe(401);
    expect(await post(acmes, '', ownApp.appId)).toBe(401);
    expect(await post(acmes, `/${connectionIds[0]}`, ownApp.appId)).toBe(401);
    // Its own app vouches on its own path, but for its own company only.
    expect(await post(acmes, `/${connectionIds[2]}`, ownApp.appId)).toBe(200);
    await installation.idle();
    expect(model.requests.length).toBe(requests);
  });
});

describe('who writes too much', () => {
  it('is told once, in the chat', async () => {
    const { teams, model, newConversation, query } = installation;
    await query(`update konstruct.connections set settings = '{"ratePerMinute": 2}' where external_id = $1`, [
      GLOBEX,
    ]);
    const chat = newConversation('personal', GLOBEX);
    model.respond(() => 'Yes.');
    await until('the limit is known to the gateway', async () => {
      await teams.say(chat.id, { from: mara, text: 'one more' });
      return installation.texts(chat).some((text) => /second/.test(text));
    });
    await teams.say(chat.id, { from: mara, text: 'and more' });
    await installation.idle();
    expect(installation.texts(chat).filter((text) => /second/.test(text))).toHaveLength(1);
  });
});
