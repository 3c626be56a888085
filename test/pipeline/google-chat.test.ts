import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { choiceCard } from '../../src/channels/google-chat/choice-card.ts';
import { until } from '../support/conversation.ts';
import type { ChatApp, Message, Space } from '../support/google-chat/google-chat-world.ts';
import {
  GLOBEX,
  type GoogleChatInstallation,
  mara,
  startGoogleChatInstallation,
  tomas,
} from '../support/google-chat/start-google-chat-installation.ts';

let installation: GoogleChatInstallation;
beforeAll(async () => {
  installation = await startGoogleChatInstallation({ ratePerMinute: 1_000 });
});
afterAll(() => installation.stop());

const hey = (app: ChatApp, text: string) => ({
  from: mara,
  text: `@${app.user.displayName} ${text}`,
  mentions: [app.user],
});

async function asked(space: Space, text: string, threadId?: string): Promise<Message> {
  const { chat, apps, answerTo, idle } = installation;
  const app = Object.values(apps).find(({ projectNumber }) => space.apps.has(projectNumber)) as ChatApp;
  const saying = space.type === 'DIRECT_MESSAGE' ? { from: mara, text } : hey(app, text);
  const sent = await chat.say(space.id, { ...saying, ...(threadId === undefined ? {} : { threadId }) });
  const answer = await answerTo(space, sent);
  await idle();
  return answer;
}

const lastPrompt = () => installation.model.requests.at(-1)?.messages.map(({ content }) => content);

describe('a mention in a space', () => {
  it('turns into a placeholder and then the answer, formatted, in the thread', async () => {
    const { chat, model, newSpace, apps } = installation;
    const space = newSpace('SPACE');
    model.respond(() => ({ text: 'Refunds take **14 days**, <users/all>.', delayMs: 50 }));
    const calls = chat.calls.length;
    const sent = await chat.say(space.id, hey(apps.acme, 'can you check the refund policy?'));
    const answer = await installation.answerTo(space, sent);
    await installation.idle();
    expect(answer).toMatchObject({
      threadId: sent.threadId,
      text: 'Refunds take *14 days*, <\u200busers/all>.',
      edits: 1,
    });
    expect(chat.calls.slice(calls).map(({ method }) => method)).toEqual(['POST', 'PATCH']);
    expect(lastPrompt()?.at(-1)).toBe('Mara K: can you check the refund policy?');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toMatch(/Google Chat/);
  });

  it('goes on with the conversation of its thread', async () => {
    const { model, newSpace, query } = installation;
    const space = newSpace('SPACE');
    model.respond(() => 'Paris.');
    const first = await asked(space, 'what is the capital of France?');
    model.respond(() => 'Big.');
    await asked(space, 'and how big is it?', first.threadId);
    expect(lastPrompt()).toEqual([
      'Mara K: what is the capital of France?',
      'Paris.',
      'Mara K: and how big is it?',
    ]);
    const rows = await query('select thread_id from konstruct.conversations where channel_id = $1', [
      `spaces/${space.id}`,
    ]);
    expect(rows).toEqual([{ thread_id: first.threadId }]);
  });
});

describe('a direct message', () => {
  it('is one conversation, answered without a mention', async () => {
    const { model, newSpace, query } = installation;
    const space = newSpace('DIRECT_MESSAGE');
    model.respond(({ messages }) => `Heard ${messages.length}`);
    await asked(space, 'hello');
    await asked(space, 'hello again');
    expect(installation.texts(space)).toEqual(['Heard 1', 'Heard 3']);
    expect(
      await query('select thread_id, scope from konstruct.conversations where channel_id = $1', [
        `spaces/${space.id}`,
      ]),
    ).toEqual([{ thread_id: '', scope: 'direct' }]);
  });

  it('shows the agent what is replied to and what is passed on', async () => {
    const { chat, model, newSpace } = installation;
    const space = newSpace('DIRECT_MESSAGE');
    model.respond(() => 'By the door.');
    const first = await asked(space, 'where is the exit?');
    for (const type of ['REPLY', 'FORWARD'] as const) {
      const text = type === 'REPLY' ? 'are you sure?' : '';
      const heard = model.requests.length;
      await chat.say(space.id, { from: mara, text, quotes: { message: first, type } });
      await until('it is asked', () => model.requests.length > heard);
      await installation.idle();
      expect(lastPrompt()?.at(-1)).toBe(`> Ada: By the door.${text === '' ? '' : `\n\n${text}`}`);
    }
  });

  it('is told a stop by a word', async () => {
    const { chat, model, newSpace, query } = installation;
    const space = newSpace('DIRECT_MESSAGE');
    model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
    await chat.say(space.id, { from: mara, text: 'a long story, please' });
    await until('the placeholder is on record', async () => {
      const rows = await query(
        `select 1 from konstruct.deliveries where channel_id = $1 and external_id is not null`,
        [`spaces/${space.id}`],
      );
      return rows.length === 1;
    });
    await chat.say(space.id, { from: mara, text: 'Stop!' });
    await installation.idle();
    expect(installation.texts(space)).not.toContain('Too late.');
    expect(installation.texts(space)).not.toContain('Thinking…');
  });
});

describe('a group chat without threads', () => {
  it('is one conversation, and what is said in it stands in the chat itself', async () => {
    const { model, newSpace } = installation;
    const space = newSpace('GROUP_CHAT');
    model.respond(({ messages }) => `Heard ${messages.length}`);
    await asked(space, 'we are three');
    await asked(space, 'how many?');
    expect(lastPrompt()).toEqual(['Mara K: we are three', 'Heard 1', 'Mara K: how many?']);
    expect([...space.messages.values()].some(({ isReply }) => isReply)).toBe(false);
  });
});

describe('an event', () => {
  it('that comes again is answered once, with an empty answer each time', async () => {
    const { chat, model, newSpace, apps } = installation;
    const space = newSpace('DIRECT_MESSAGE');
    model.respond(() => 'Once.');
    const requests = model.requests.length;
    const saying = { from: mara, text: 'again and again' };
    const sent = await chat.say(space.id, saying);
    const event = chat.messageEvent(apps.acme, space, sent, saying);
    const again = await Promise.all([chat.tell(apps.acme, event), chat.tell(apps.acme, event)]);
    await installation.idle();
    expect(again).toEqual([
      { status: 200, body: '{}' },
      { status: 200, body: '{}' },
    ]);
    expect(model.requests.length - requests).toBe(1);
    expect(installation.texts(space)).toEqual(['Once.']);
  });

  it('of removal ends what the app followed', async () => {
    const { chat, model, newSpace, apps, query, log } = installation;
    const space = newSpace('SPACE');
    model.respond(() => 'Hello.');
    await asked(space, 'hi');
    const event = { type: 'REMOVED_FROM_SPACE', space: { name: `spaces/${space.id}` }, user: mara };
    expect((await chat.tell(apps.acme, event)).status).toBe(200);
    expect(
      await query('select engaged_until from konstruct.conversations where channel_id = $1', [
        `spaces/${space.id}`,
      ]),
    ).toEqual([{ engaged_until: null }]);
    expect(log.lines.some((line) => line.event === 'channel.departed')).toBe(true);
  });
});

describe('a send of unknown outcome', () => {
  it('is looked for by the id that the message was given: one placeholder, one answer', async () => {
    const { chat, model, newSpace } = installation;
    const space = newSpace('DIRECT_MESSAGE');
    model.respond(() => 'Found again.');
    chat.faults.push({ method: 'POST', kind: 'cut_after', remaining: 1 });
    const calls = chat.calls.length;
    await chat.say(space.id, { from: mara, text: 'hello?' });
    await until('it is answered', () => installation.texts(space).includes('Found again.'), 20_000);
    await installation.idle();
    expect(installation.texts(space)).toEqual(['Found again.']);
    expect(chat.calls.slice(calls).map(({ method }) => method)).toContain('GET');
  });
});

describe('companies with a Chat app each', () => {
  it('never cross', async () => {
    const { chat, model, newSpace, apps } = installation;
    const [acmes, globexs] = [newSpace('SPACE'), newSpace('SPACE', apps.globex)];
    model.respond(({ body }) =>
      JSON.stringify(body).includes('Persona of acme') ? 'Acme speaks.' : 'Globex speaks.',
    );
    expect((await asked(acmes, 'the code word is marmalade')).text).toBe('Acme speaks.');
    expect((await asked(globexs, 'what is the code word?')).text).toBe('Globex speaks.');
    expect(JSON.stringify(model.requests.at(-1)?.body)).not.toMatch(/marmalade|Persona of acme/);
    for (const { projectNumber, path } of chat.calls) {
      if (path.includes(`spaces/${globexs.id}/`)) expect(projectNumber).toBe(GLOBEX);
      if (path.includes(`spaces/${acmes.id}/`)) expect(projectNumber).not.toBe(GLOBEX);
    }
  });

  it('are not reached by each other’s requests', async () => {
    const { chat, model, newSpace, apps, url, connectionIds } = installation;
    const requests = model.requests.length;
    const space = newSpace('DIRECT_MESSAGE');
    const saying = { from: tomas, text: 'let me in' };
    const message = { id: 'T.M', threadId: 'T', clientId: null, isReply: false, edits: 0, viewer: null };
    const said = { ...message, sender: tomas, text: saying.text, cards: [] };
    const post = async (app: ChatApp, path: string, claims = {}) => {
      const headers = { authorization: `Bearer ${chat.sign(app, claims)}` };
      const body = JSON.stringify(chat.messageEvent(app, space, said, saying));
      return (await fetch(`${url}/google-chat${path}`, { method: 'POST', headers, body })).status;
    };
    expect(await post(apps.acme, `/${connectionIds[1]}`), 'Acme’s token on Globex’ path').toBe(401);
    expect(
      await post(apps.globex, `/${connectionIds[0]}`),
      'a connection without an audience of its own',
    ).toBe(401);
    // Another project's add-on that had our address entered as its own: Google signs that, too.
    const stranger = { email: 'service-999999999999@gcp-sa-gsuiteaddons.iam.gserviceaccount.com' };
    expect(await post(apps.initech, `/${connectionIds[2]}`, stranger)).toBe(200);
    const plain = { ...apps.globex, audience: apps.initech.audience };
    expect(await post(plain, `/${connectionIds[2]}`), 'a plain app that has our address as its own').toBe(
      401,
    );
    await installation.idle();
    expect(model.requests.length).toBe(requests);
    expect(installation.log.lines.some(({ event }) => event === 'event.unknown_installation')).toBe(true);
  });

  it('may have made it a Workspace add-on, whose events look otherwise', async () => {
    const { chat, model, newSpace, apps, query } = installation;
    const space = newSpace('SPACE', apps.initech);
    model.respond(() => 'Initech speaks.');
    const answer = await asked(space, 'hello');
    expect(answer).toMatchObject({ text: 'Initech speaks.', sender: apps.initech.user });
    expect(lastPrompt()?.at(-1)).toBe('Mara K: hello');
    const chatEvent = { removedFromSpacePayload: { space: { name: `spaces/${space.id}` } }, user: mara };
    expect((await chat.tell(apps.initech, { commonEventObject: {}, chat: chatEvent })).status).toBe(200);
    const [row] = await query('select engaged_until from konstruct.conversations where channel_id = $1', [
      `spaces/${space.id}`,
    ]);
    expect(row).toEqual({ engaged_until: null });
  });
});

describe('a button', () => {
  it('says what stands on it, and is gone then', async () => {
    const { chat, model, newSpace } = installation;
    const space = newSpace('SPACE');
    model.respond(() => 'Which one?');
    const asking = await asked(space, 'give me a colour');
    const message = space.messages.get(asking.id) as Message;
    message.cards = [choiceCard(['Red', 'Blue'], 'choose')];
    model.respond(() => 'Blue it is.');
    expect(await chat.press(space.id, asking.id, 'Blue', tomas)).toBe(200);
    await until('it is answered', () => installation.texts(space).includes('Blue it is.'));
    await installation.idle();
    expect(lastPrompt()?.at(-1)).toBe('Tomas: Blue');
    await until('the button is gone', () => JSON.stringify(message.cards).includes('✓ Blue'));
    expect(message.text).toBe('Which one?');
  });
});

describe('who writes too much', () => {
  it('is told once, and nobody else in the space', async () => {
    const { chat, model, newSpace, apps, query } = installation;
    await query(`update konstruct.connections set settings = '{"ratePerMinute": 1}' where external_id = $1`, [
      GLOBEX,
    ]);
    const space = newSpace('SPACE', apps.globex);
    model.respond(() => 'Yes.');
    const notices = () => [...space.messages.values()].filter(({ text }) => /second/.test(text));
    await until('the limit is known to the gateway', async () => {
      await chat.say(space.id, hey(apps.globex, 'one more'));
      return notices().length > 0;
    });
    await chat.say(space.id, hey(apps.globex, 'and more'));
    await installation.idle();
    expect(notices().map(({ viewer }) => viewer)).toEqual([mara.name]);
  });
});

describe('a very long answer', () => {
  it('is continued in further messages of the thread', async () => {
    const { model, newSpace } = installation;
    const space = newSpace('SPACE');
    const paragraphs = Array.from(
      { length: 30 },
      (_, index) => `${index + 1}. ${'wörd & '.repeat(100).trim()}`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    const first = await asked(space, 'tell me everything');
    const parts = [...space.messages.values()].filter(({ sender }) => sender.type === 'BOT');
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.map(({ text }) => text).join('\n\n')).toBe(paragraphs.join('\n\n'));
    expect(parts.every(({ threadId }) => threadId === first.threadId)).toBe(true);
  });
});
