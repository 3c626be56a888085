import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../support/conversation.ts';
import {
  ACME_GROUP,
  acmeBot,
  GLOBEX_GROUP,
  globexBot,
  mara,
  SHARED_GROUP,
  startTelegramInstallation,
  type TelegramInstallation,
  tomas,
} from '../support/telegram/start-telegram-installation.ts';

let installation: TelegramInstallation;
beforeAll(async () => {
  installation = await startTelegramInstallation({ events: 'webhook', settings: { ratePerMinute: 1_000 } });
});
afterAll(() => installation.stop());

const ada = `@${acmeBot.username}`;
let groups = 0;

/** A group of a test's own: Telegram's limit of messages a minute is a group's. */
function newGroup(): number {
  groups += 1;
  const id = ACME_GROUP * 1_000 - groups;
  installation.telegram.addChat({ id, type: 'supergroup', title: 'Acme', bots: [acmeBot.token] });
  return id;
}

describe('a mention in a group', () => {
  it('turns into a placeholder and then the answer, formatted, as a reply', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => ({ text: 'Refunds take **14 days**.', delayMs: 50 }));
    const before = telegram.shown.length;
    const sent = await telegram.say(group, {
      from: mara,
      text: `${ada} can you check the refund policy?`,
    });
    const answer = await installation.answerTo(sent);
    expect(answer).toMatchObject({
      text: 'Refunds take 14 days.',
      entities: [{ type: 'bold', offset: 13, length: 7 }],
    });
    await installation.idle();
    expect(telegram.shown.slice(before).map(({ message }) => message.text)).toEqual([
      'Thinking…',
      'Refunds take 14 days.',
    ]);
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe('Mara: can you check the refund policy?');
    expect(JSON.stringify(model.requests.at(-1)?.body)).toMatch(/Telegram/);
  });

  it('is understood in capitals, behind an emoji and as a command for the bot', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    for (const text of [`😀🎉 ${ada.toUpperCase()} hello`, `/ask${ada} hello`]) {
      model.respond(() => 'Yes.');
      const sent = await telegram.say(group, { from: tomas, text });
      expect((await installation.answerTo(sent)).text).toBe('Yes.');
      await installation.idle();
    }
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe('Tomas: /ask hello');
  });

  it('is what it takes: what nobody addressed to the bot, and what bots say, is neither stored nor answered', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    const requests = model.requests.length;
    const [before] = await installation.query('select count(*)::int as n from konstruct.messages');
    await telegram.say(group, { from: mara, text: 'Anybody for lunch?' });
    await telegram.say(group, { from: mara, text: '/start' });
    await telegram.say(group, { from: { ...tomas, is_bot: true }, text: `${ada} hello` });
    await installation.idle();
    expect(model.requests.length).toBe(requests);
    expect(await installation.query('select count(*)::int as n from konstruct.messages')).toEqual([before]);
  });

  it('on somebody else’s message shows the agent that message', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'Try turning it off and on.');
    const problem = await telegram.say(group, { from: tomas, text: 'The printer says PC LOAD LETTER.' });
    const sent = await telegram.say(group, {
      from: mara,
      text: `${ada} any idea?`,
      replyTo: problem.message_id,
    });
    await installation.answerTo(sent);
    await installation.idle();
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe(
      'Mara: > Tomas: The printer says PC LOAD LETTER.\n  \n  any idea?',
    );
  });
});

describe('what is pasted with its formatting', () => {
  const paragraph = (...text: unknown[]) => ({ rich_message: { blocks: [{ type: 'paragraph', text }] } });

  it('is heard in a group by the mention in it', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'Sure.');
    const mention = { type: 'mention', text: ada, username: acmeBot.username };
    const heading = { type: 'heading', size: 1, text: 'Minutes' };
    const fields = {
      rich_message: { blocks: [heading, { type: 'paragraph', text: [mention, ' sum it up'] }] },
    };
    await installation.answerTo(await telegram.say(group, { from: mara, fields }));
    await installation.idle();
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe('Mara: # Minutes\n  \n  sum it up');
  });

  it('is quoted when somebody replies to it, also to what another bot has posted', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'It is about lunch.');
    const robot = { id: 13, is_bot: true, first_name: 'Herald', username: 'herald_bot' };
    const post = await telegram.say(group, { from: robot, fields: paragraph('Lunch is at noon.') });
    await installation.answerTo(
      await telegram.say(group, { from: mara, text: `${ada} what is it?`, replyTo: post.message_id }),
    );
    await installation.idle();
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe(
      'Mara: > Herald: Lunch is at noon.\n  \n  what is it?',
    );
  });
});

describe('a file that somebody replies to', () => {
  it('comes with the reply, and is named', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'A plan.');
    const document = {
      file_id: telegram.addFile(Buffer.from('Step one.')),
      file_unique_id: 'u',
      file_name: 'plan.txt',
      mime_type: 'text/plain',
    };
    const file = await telegram.say(group, { from: tomas, fields: { document } });
    const sent = await telegram.say(group, {
      from: mara,
      text: `${ada} summarise`,
      replyTo: file.message_id,
    });
    await installation.answerTo(sent);
    await installation.idle();
    const content = String(model.requests.at(-1)?.messages.at(-1)?.content);
    expect(content).toMatch(/^Mara: > Tomas: \[plan\.txt\]\n {2}\n {2}summarise/);
    expect(content).toContain('[attached file: plan.txt (text/plain)');
  });
});

describe('a command that nobody else sees', () => {
  it('is told, each time and to nobody else, where an answer can be had', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    const [requests, shown] = [model.requests.length, telegram.shown.length];
    const [before] = await installation.query('select count(*)::int as n from konstruct.messages');
    for (const from of [mara, mara, tomas])
      await telegram.whisper(acmeBot.token, group, { from, text: `/ask${ada} a secret`, number: 1 });
    await installation.idle();
    expect(
      telegram.shown.slice(shown).map(({ message }) => [message.message_id, message.receiver_user]),
    ).toEqual([
      [0, mara],
      [0, mara],
      [0, tomas],
    ]);
    expect(telegram.shown.at(-1)?.message.text).toMatch(/private/);
    expect(telegram.chat(group).messages.size).toBe(0);
    expect(model.requests.length).toBe(requests);
    expect(await installation.query('select count(*)::int as n from konstruct.messages')).toEqual([before]);
  });
});

describe('a command that nobody else sees, which Telegram lets nobody answer', () => {
  it('holds up nothing that comes behind it', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    telegram.faults.push({ method: 'sendMessage', kind: 'limit', retryAfterSeconds: 60, remaining: 1 });
    await telegram.whisper(acmeBot.token, group, { from: mara, text: `/ask${ada} a secret`, number: 1 });
    model.respond(() => 'Here.');
    const sent = await telegram.say(group, { from: mara, text: `${ada} are you there?` });
    expect((await installation.answerTo(sent)).text).toBe('Here.');
    await installation.idle();
  });
});

describe('a private chat', () => {
  it('is one conversation, answered without a mention and without quoting', async () => {
    const { telegram, model } = installation;
    model.respond(({ messages }) => `Heard ${messages.length}`);
    const hello = await telegram.say(mara.id, { from: mara, text: '/start' });
    await installation.answerTo(hello);
    await installation.idle();
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe('(started the conversation)');
    const next = await telegram.say(mara.id, { from: mara, text: 'My name is Mara.' });
    const answer = await installation.answerTo(next);
    await installation.idle();
    expect(answer.reply_to_message).toBeUndefined();
    expect(installation.texts(mara.id)).toEqual(['Heard 1', 'Heard 3']);
    const conversations = await installation.query(
      'select thread_id from konstruct.conversations where channel_id = $1',
      [String(mara.id)],
    );
    expect(conversations).toEqual([{ thread_id: '' }]);
  });

  it('hears what has no text, and what is sent by way of another bot', async () => {
    const { telegram, model } = installation;
    model.respond(() => 'I see.');
    const robot = { id: 13, is_bot: true, first_name: 'Pics', username: 'pic' };
    const list = { checklist: { title: 'Trip', tasks: [{ id: 1, text: 'pack', completion_date: 0 }] } };
    const rich_message = { blocks: [{ type: 'paragraph', text: 'all of it' }] };
    for (const [saying, heard] of [
      [{ fields: list }, '[checklist: Trip]\n- [ ] pack'],
      [{ fields: { rich_message } }, 'all of it'],
      [{ text: 'from the inline bot', fields: { via_bot: robot } }, 'from the inline bot'],
    ] as const) {
      await installation.answerTo(await telegram.say(mara.id, { from: mara, ...saying }));
      await installation.idle();
      expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe(heard);
    }
  });
});

describe('a chain of replies', () => {
  it('is one conversation: whoever replies to the bot is answered, whoever replies to others in it while it is engaged', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'Paris.');
    const first = await telegram.say(group, {
      from: mara,
      text: `${ada} what is the capital of France?`,
    });
    const answer = await installation.answerTo(first);
    await installation.idle();

    model.respond(() => 'Big.');
    const second = await telegram.say(group, {
      from: mara,
      text: 'And how big is it?',
      replyTo: answer.message_id,
    });
    const big = await installation.answerTo(second);
    await installation.idle();
    expect(big.text).toBe('Big.');
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'Mara: what is the capital of France?',
      'Paris.',
      'Mara: And how big is it?',
    ]);

    model.respond(() => 'Older than Rome? No.');
    const third = await telegram.say(group, {
      from: tomas,
      text: 'and how old?',
      replyTo: second.message_id,
    });
    await installation.answerTo(third);
    await installation.idle();
    expect(
      await installation.query(
        'select count(*)::int as n from konstruct.conversations where channel_id = $1',
        [String(group)],
      ),
    ).toEqual([{ n: 1 }]);

    await installation.query(
      `update konstruct.conversations set engaged_until = now() - interval '1 s' where channel_id = $1`,
      [String(group)],
    );
    const requests = model.requests.length;
    await telegram.say(group, { from: tomas, text: 'among ourselves', replyTo: third.message_id });
    await installation.idle();
    expect(model.requests.length, 'it is no longer followed').toBe(requests);
    model.respond(() => 'Always.');
    const late = await telegram.say(group, {
      from: tomas,
      text: 'still there?',
      replyTo: big.message_id,
    });
    expect((await installation.answerTo(late)).text, 'a reply to the bot is for the bot').toBe('Always.');
    await installation.idle();
  });
});

describe('a wish', () => {
  it('to stop ends the turn, as a reply to the placeholder and as a reaction', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    for (const way of ['reply', 'reaction'] as const) {
      model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
      const requests = model.requests.length;
      const sent = await telegram.say(group, { from: mara, text: `${ada} a long story, please` });
      await until('the model works', () => model.requests.length > requests);
      await until('the placeholder is on record', async () => {
        const rows = await installation.query(
          `select 1 from konstruct.deliveries where channel_id = $1 and kind = 'placeholder' and external_id is not null`,
          [String(group)],
        );
        return rows.length === (way === 'reply' ? 1 : 2);
      });
      const placeholder = [...telegram.chat(group).messages.values()].at(-1);
      if (way === 'reply')
        await telegram.say(group, { from: mara, text: 'Stop!', replyTo: placeholder?.message_id ?? 0 });
      else {
        await telegram.send(acmeBot.token, {
          message_reaction: {
            chat: { id: group, type: 'supergroup' },
            message_id: sent.message_id,
            user: mara,
            date: sent.date,
            old_reaction: [],
            new_reaction: [{ type: 'emoji', emoji: '🛑' }],
          },
        });
      }
      await installation.idle();
      expect(installation.texts(group), way).not.toContain('Too late.');
      expect(installation.texts(group), way).not.toContain('Thinking…');
    }
  });
});

describe('a button', () => {
  it('is pressed once: its words are said in the conversation, and the buttons go', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'Which colour?');
    const first = await telegram.say(group, { from: mara, text: `${ada} I want a shirt` });
    const question = await installation.answerTo(first);
    await installation.idle();
    // As an agent that offers choices sends it.
    const inline_keyboard = [[{ text: 'Blue', callback_data: '=Blue' }]];
    telegram
      .chat(group)
      .messages.set(question.message_id, { ...question, reply_markup: { inline_keyboard } });
    model.respond(() => 'Blue it is.');
    await telegram.press(acmeBot.token, group, question.message_id, tomas, 'Blue');
    await installation.idle();
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'Mara: I want a shirt',
      'Which colour?',
      'Tomas: Blue',
    ]);
    expect(installation.texts(group)).toEqual(['Which colour?', 'Blue it is.']);
    await until('the buttons are gone', () => {
      const shown = telegram.chat(group).messages.get(question.message_id);
      return shown?.reply_markup === undefined && telegram.bot(acmeBot.token).openPresses.size === 0;
    });
  });
});

describe('a topic', () => {
  it('is answered in the topic, and its beginning is no message that is replied to', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'In the topic.');
    const created = await telegram.say(group, {
      from: mara,
      fields: { forum_topic_created: { name: 'Billing', icon_color: 1 } },
    });
    const fields = { message_thread_id: created.message_id, is_topic_message: true };
    const sent = await telegram.say(group, {
      from: mara,
      text: `${ada} hello`,
      replyTo: created.message_id,
      fields,
    });
    const answer = await installation.answerTo(sent);
    await installation.idle();
    expect(answer).toMatchObject({ text: 'In the topic.', message_thread_id: created.message_id });
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe('Mara: hello');
  });
});

describe('an edit', () => {
  it('changes what a message says that is waiting', async () => {
    const { telegram, model } = installation;
    model.respond(() => ({ text: 'First.', delayMs: 400 }));
    const requests = model.requests.length;
    const first = await telegram.say(mara.id, { from: mara, text: 'one' });
    await until('the model works', () => model.requests.length > requests);
    const second = await telegram.say(mara.id, { from: mara, text: 'tow' });
    await telegram.edit(mara.id, second.message_id, 'two');
    model.respond(() => 'Second.');
    await installation.idle();
    expect(first.message_id).toBeLessThan(second.message_id);
    expect(JSON.stringify(model.requests.at(-1)?.messages)).toContain('two');
    expect(JSON.stringify(model.requests.at(-1)?.messages)).not.toContain('tow');
  });
});

describe('an update that comes again', () => {
  it('is answered once, also with another number', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'Once.');
    const requests = model.requests.length;
    const sent = await telegram.say(group, { from: mara, text: `${ada} again and again` });
    await installation.answerTo(sent);
    const update = { update_id: telegram.bot(acmeBot.token).nextUpdateId - 1, message: sent };
    await Promise.all([
      telegram.send(acmeBot.token, update),
      telegram.send(acmeBot.token, { message: sent }),
    ]);
    await installation.idle();
    expect(model.requests.length - requests).toBe(1);
  });
});

describe('an album', () => {
  it('is one message with all its pictures', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(() => 'Nice pictures.');
    const requests = model.requests.length;
    const picture = (id: string, caption?: string) => ({
      media_group_id: '13579',
      photo: [{ file_id: `f${id}`, file_unique_id: `u${id}`, width: 1, height: 1, file_size: 9 }],
      ...(caption === undefined
        ? {}
        : { caption, caption_entities: [{ type: 'mention', offset: 0, length: ada.length }] }),
    });
    await telegram.say(group, { from: mara, fields: picture('1', `${ada} what do you say?`) });
    await telegram.say(group, { from: mara, fields: picture('2') });
    await telegram.say(group, { from: mara, fields: picture('3') });
    await installation.idle();
    expect(model.requests.length - requests).toBe(1);
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe(
      `Mara: what do you say?${'\n  [attached file: photo.jpg (image/jpeg); not shown: it could not be fetched]'.repeat(3)}`,
    );
  });
});

describe('two bots of two companies', () => {
  it('never cross, also in one group', async () => {
    const { telegram, model } = installation;
    const group = newGroup();
    model.respond(({ body }) =>
      JSON.stringify(body).includes('Persona of acme') ? 'Acme speaks.' : 'Globex speaks.',
    );
    const secret = await telegram.say(group, { from: mara, text: `${ada} the code word is marmalade` });
    await installation.answerTo(secret);
    const gus = `@${globexBot.username}`;
    const sent = await telegram.say(SHARED_GROUP, { from: mara, text: `${gus} what is the code word?` });
    const answer = await installation.answerTo(sent, globexBot.id);
    await installation.idle();
    expect(answer.text).toBe('Globex speaks.');
    expect(JSON.stringify(model.requests.at(-1)?.body)).not.toMatch(/marmalade|Persona of acme/);
    expect(installation.texts(SHARED_GROUP, acmeBot.id)).toEqual([]);
    for (const { botId, arguments: given } of telegram.calls) {
      if (given.chat_id === group) expect(botId).toBe(acmeBot.id);
      if (given.chat_id === GLOBEX_GROUP) expect(botId).toBe(globexBot.id);
    }
  });

  it('are not reached with each other’s secret, nor without one', async () => {
    const { telegram, connectionIds, publicUrl } = installation;
    const post = (connectionId: string, secret: string | undefined) =>
      fetch(`${publicUrl}/telegram/${connectionId}`, {
        method: 'POST',
        headers: secret === undefined ? {} : { 'x-telegram-bot-api-secret-token': secret },
        body: JSON.stringify({ update_id: 1, message: {} }),
      }).then(({ status }) => status);
    const [acme, globex] = [acmeBot, globexBot].map(({ token }) => telegram.bot(token).webhook?.secret);
    expect(await post(connectionIds[0], acme)).toBe(200);
    expect(await post(connectionIds[0], globex)).toBe(401);
    expect(await post(connectionIds[1], acme)).toBe(401);
    expect(await post(connectionIds[0], undefined)).toBe(401);
    expect(await post('00000000-0000-4000-8000-000000000000', acme)).toBe(401);
    expect((await fetch(`${publicUrl}/telegram`, { method: 'POST', body: '{}' })).status).toBe(404);
  });
});

describe('what Telegram refuses', () => {
  it('formatting: the answer comes as plain text', async () => {
    const { telegram, model } = installation;
    telegram.faults.push({ method: 'editMessageText', kind: 'refuse_entities', remaining: 1 });
    model.respond(() => 'Some **bold** words.');
    const sent = await telegram.say(mara.id, { from: mara, text: 'format' });
    const answer = await installation.answerTo(sent);
    await installation.idle();
    expect(answer).toMatchObject({ text: 'Some bold words.' });
    expect(answer.entities).toBeUndefined();
  });

  it('a group that became a supergroup: the answer goes there', async () => {
    const { telegram, model } = installation;
    const old = telegram.addChat({ id: -55, type: 'group', title: 'Old', bots: [acmeBot.token] });
    telegram.addChat({ id: -10055, type: 'supergroup', title: 'New', bots: [acmeBot.token] });
    model.respond(() => {
      old.migratedTo = -10055;
      return 'Moved with you.';
    });
    await telegram.say(-55, { from: mara, text: `${ada} hello` });
    await installation.idle();
    expect(installation.texts(-10055)).toEqual(['Moved with you.']);
  });

  it('a person who blocked the bot: the turn is kept, and nothing is followed there any more', async () => {
    const { telegram, model } = installation;
    const chat = telegram.addChat({ id: tomas.id, type: 'private', title: 'Tomas', bots: [acmeBot.token] });
    model.respond(() => 'Hello.');
    await installation.answerTo(await telegram.say(tomas.id, { from: tomas, text: 'hi' }));
    await installation.idle();
    chat.shutOut.set(acmeBot.id, 'bot was blocked by the user');
    await telegram.send(acmeBot.token, {
      my_chat_member: {
        chat: { id: tomas.id, type: 'private' },
        from: tomas,
        date: 1_700_000_000,
        old_chat_member: { status: 'member' },
        new_chat_member: { status: 'kicked', until_date: 0 },
      },
    });
    expect(
      await installation.query('select engaged_until from konstruct.conversations where channel_id = $1', [
        String(tomas.id),
      ]),
    ).toEqual([{ engaged_until: null }]);
    expect(installation.log.lines.some(({ event }) => event === 'channel.departed')).toBe(true);
    await telegram.say(tomas.id, { from: tomas, text: 'hello?' });
    await installation.idle();
    expect(
      await installation.query(
        `select t.status, t.error_code from konstruct.turns t join konstruct.conversations c on c.id = t.conversation_id
         where c.channel_id = $1 order by t.id desc limit 1`,
        [String(tomas.id)],
      ),
    ).toEqual([{ status: 'dead', error_code: 'platform_rejected' }]);
  });
});

describe('a very long answer', () => {
  it('is continued in further messages, each a reply', async () => {
    const { model, telegram } = installation;
    const paragraphs = Array.from(
      { length: 20 },
      (_, index) => `${index + 1}. ${'word '.repeat(100).trim()}.`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    const before = installation.texts(mara.id).length;
    await telegram.say(mara.id, { from: mara, text: 'tell me everything' });
    await installation.idle();
    const texts = installation.texts(mara.id).slice(before);
    expect(texts.length).toBeGreaterThan(2);
    expect(texts.join('\n\n')).toBe(paragraphs.join('\n\n'));
  });
});
