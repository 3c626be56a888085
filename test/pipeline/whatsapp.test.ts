import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { replayDeadLetter } from '../../src/stores/replay-dead-letter.ts';
import { until } from '../support/conversation.ts';
import { recordingTool } from '../support/recording-tool.ts';
import { callTools, lastResults } from '../support/tool-calls.ts';
import type { Person } from '../support/whatsapp/graph-world.ts';
import {
  acmeNumber,
  globexNumber,
  startWhatsAppInstallation,
  VERIFY_TOKEN,
  type WhatsAppInstallation,
} from '../support/whatsapp/start-whatsapp-installation.ts';

const ACME = acmeNumber.phoneNumberId;
const GLOBEX = globexNumber.phoneNumberId;

/** Slow enough to be shown where something can be shown. */
const lookUp = recordingTool('look_up', async () => {
  await new Promise((resolve) => setTimeout(resolve, 400));
  return '14 days';
});

let installation: WhatsAppInstallation;
beforeAll(async () => {
  installation = await startWhatsAppInstallation({
    app: {
      tools: [lookUp],
      timing: { deliveryRetryDelaysMs: [200, 200, 200, 200, 200, 200], modelRetryDelaysMs: [50] },
    },
  });
  await installation.query(`update konstruct.agents set tools = '{look_up}'`);
});
afterAll(() => installation.stop());

let mara: Person;
beforeEach(() => {
  mara = installation.newPerson();
});

/** Waits until the model has been asked for the message that is said. */
async function sayAndWaitForModel(person: Person, text: string): Promise<string> {
  const { whatsapp, model } = installation;
  const requests = model.requests.length;
  const id = await whatsapp.say(ACME, person, text);
  await until('the model works', () => model.requests.length > requests);
  return id;
}

const turnsOf = ({ phone }: Person) =>
  installation.query(
    `select t.status, t.error_code from konstruct.turns t
     join konstruct.conversations c on c.id = t.conversation_id where c.channel_id = $1 order by t.id`,
    [phone],
  );

describe('a chat', () => {
  it('is one conversation, answered by one message in WhatsApp’s own marks, with nothing shown before', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => ({
      text: 'Refunds take **14 days**, see [here](https://a.example/r).',
      delayMs: 50,
    }));
    const id = await whatsapp.say(ACME, mara, 'How long do refunds take?');
    await installation.idle();
    expect(whatsapp.number(ACME).typing, 'it is read, and an answer is being written').toContain(id);
    expect(installation.texts(mara)).toEqual(['Refunds take *14 days*, see here (https://a.example/r).']);
    model.respond(() => 'Yes.');
    await whatsapp.say(ACME, mara, 'Also on Sundays?');
    await installation.idle();
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'How long do refunds take?',
      'Refunds take **14 days**, see [here](https://a.example/r).',
      'Also on Sundays?',
    ]);
    expect(JSON.stringify(model.requests.at(-1)?.body)).toMatch(/WhatsApp/);
    expect(await turnsOf(mara)).toEqual([
      { status: 'answered', error_code: null },
      { status: 'answered', error_code: null },
    ]);
  });

  it('of a person who hides their number behind a username is answered as well', async () => {
    const { whatsapp, model } = installation;
    const { userId, name } = mara;
    const hidden = { userId, name };
    model.respond(() => 'Hello.');
    await whatsapp.say(ACME, hidden, 'hi');
    await installation.idle();
    expect(whatsapp.shown.at(-1)).toMatchObject({ to: userId, body: { body: 'Hello.' } });
  });

  it('shows the agent pictures, places and contacts by what they are', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => 'Nice.');
    await whatsapp.send(ACME, mara, {
      type: 'image',
      image: { id: '1234', mime_type: 'image/jpeg', sha256: 'x', caption: 'What is this?' },
    });
    await installation.idle();
    await whatsapp.send(ACME, mara, {
      type: 'location',
      location: { latitude: 1.5, longitude: 2, name: 'Pier' },
    });
    await installation.idle();
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'What is this?\n[attached file: photo.jpg (image/jpeg)]',
      'Nice.',
      '[location: Pier, 1.5, 2]',
    ]);
  });

  it('is continued in further messages when the answer is very long', async () => {
    const { whatsapp, model } = installation;
    const paragraphs = Array.from(
      { length: 20 },
      (_, index) => `${index + 1}. ${'word '.repeat(100).trim()}.`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    await whatsapp.say(ACME, mara, 'tell me everything');
    await installation.idle();
    expect(installation.texts(mara).length).toBeGreaterThan(2);
    expect(installation.texts(mara).join('\n\n')).toBe(paragraphs.join('\n\n'));
  });

  it('goes on by a pressed button, as if its words had been written', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => 'Which one?');
    await whatsapp.say(ACME, mara, 'I want a shirt');
    await installation.idle();
    const carrier = whatsapp.shown.at(-1)?.id;
    model.respond(() => 'Blue it is.');
    const press = {
      id: 'wamid.press',
      context: { from: '15550783881', id: carrier },
      type: 'interactive',
      interactive: { type: 'button_reply', button_reply: { id: 'choice-1', title: 'Blue' } },
    };
    await whatsapp.send(ACME, mara, press);
    await whatsapp.send(ACME, mara, press);
    await installation.idle();
    expect(model.requests.at(-1)?.messages.at(-1)?.content).toBe('Blue');
    expect(installation.texts(mara)).toEqual(['Which one?', 'Blue it is.']);
  });
});

describe('a reply to a message', () => {
  const lastHeard = () => installation.model.requests.at(-1)?.messages.at(-1)?.content;

  it('shows the agent what it is about: an answer, a part of a long one, what the person said or sent', async () => {
    const { whatsapp, model } = installation;
    const paragraphs = Array.from(
      { length: 20 },
      (_, index) => `${index + 1}. ${'word '.repeat(100).trim()}.`,
    );
    model.respond(() => paragraphs.join('\n\n'));
    const question = await whatsapp.say(ACME, mara, 'Tell me everything.');
    await installation.idle();
    const parts = whatsapp.shown.filter(({ to }) => to === mara.phone);
    model.respond(() => 'Yes.');
    await whatsapp.reply(ACME, mara, parts.at(-1)?.id ?? '', 'Is this true?');
    await installation.idle();
    expect(lastHeard()).toMatch(/^> 1\d\. word .*…?\n\nIs this true\?$/s);
    await whatsapp.reply(ACME, mara, question, 'I meant this.');
    await installation.idle();
    expect(lastHeard()).toBe('> Tell me everything.\n\nI meant this.');
    const image = { id: '1234', mime_type: 'image/jpeg', caption: 'My shoe' };
    const picture = await whatsapp.send(ACME, mara, { type: 'image', image });
    await installation.idle();
    await whatsapp.reply(ACME, mara, picture, 'This one.');
    await installation.idle();
    expect(lastHeard()).toBe('> My shoe\n> [photo.jpg]\n\nThis one.');
    const [last] = whatsapp.shown.filter(({ to }) => to === mara.phone).slice(-1);
    await whatsapp.reply(ACME, mara, last?.id ?? '', 'Sure?');
    await installation.idle();
    expect(lastHeard()).toBe('> Yes.\n\nSure?');
  });

  it('says so when nobody knows what it is about, and shows nobody what others said', async () => {
    const { whatsapp, model } = installation;
    const tomas = installation.newPerson('Tomas');
    model.respond(() => 'Hm.');
    const secret = await whatsapp.say(ACME, tomas, 'A secret.');
    const elsewhere = await whatsapp.say(GLOBEX, mara, 'Said to others.');
    await installation.idle();
    for (const id of ['wamid.GONE', secret, elsewhere]) {
      await whatsapp.reply(ACME, mara, id, 'What of this?');
      await installation.idle();
      expect(lastHeard()).toBe('> [a message that is not on record]\n\nWhat of this?');
    }
  });

  it('that says “stop” stops, whatever it replies to', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => ({ text: 'Late.', delayMs: 3_000 }));
    const id = await sayAndWaitForModel(mara, 'Take your time.');
    await whatsapp.reply(ACME, mara, id, 'Stop!');
    await installation.idle();
    expect(installation.texts(mara)).toEqual(['Stopped.']);
  });
});

describe('what WhatsApp keeps from us, and what has a form of its own', () => {
  it('is heard: the first message from an advertisement, an order, a form', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => 'How can I help?');
    const unavailable = { type: 'unsupported', errors: [{ code: 131_060 }], unsupported: { type: 'errors' } };
    const referral = {
      headline: 'Chat with us',
      source_url: 'https://fb.me/1',
      source_type: 'ad',
      body: 'Summer!',
    };
    await whatsapp.send(ACME, mara, { ...unavailable, referral });
    await installation.idle();
    const product_items = [{ product_retailer_id: 'p1', quantity: 1, item_price: 5, currency: 'EUR' }];
    await whatsapp.send(ACME, mara, { type: 'order', order: { catalog_id: 'c1', product_items } });
    await installation.idle();
    const nfm_reply = { name: 'flow', body: 'Sent', response_json: '{"flow_token":"t","day":"Monday"}' };
    await whatsapp.send(ACME, mara, { type: 'interactive', interactive: { type: 'nfm_reply', nfm_reply } });
    await installation.idle();
    await whatsapp.send(ACME, mara, { type: 'unsupported', unsupported: { type: 'pin' } });
    await installation.idle();
    expect(model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      '> Advertisement: Chat with us\n> https://fb.me/1\n> Summer!\n\n[a message whose content WhatsApp does not hand over]',
      'How can I help?',
      '[order from the catalogue c1]\n- 1 × p1 at 5 EUR',
      'How can I help?',
      '[filled in a form]\n- day: Monday',
    ]);
  });
});

describe('a reaction', () => {
  it('on an answer is an opinion, and none any more when it is taken off', async () => {
    const { whatsapp, model, query } = installation;
    model.respond(() => 'Paris.');
    await whatsapp.say(ACME, mara, 'capital of France?');
    await installation.idle();
    const message_id = whatsapp.shown.at(-1)?.id;
    const verdicts = () => query('select verdict from konstruct.feedback where person_id = $1', [mara.phone]);
    const now = Math.floor(Date.now() / 1000);
    const react = (emoji: string, seconds: number) =>
      whatsapp.send(ACME, mara, {
        type: 'reaction',
        reaction: { message_id, emoji },
        timestamp: String(now + seconds),
      });
    await react('👍', 0);
    expect(await verdicts()).toEqual([{ verdict: 'up' }]);
    await react('👎', 1);
    expect(await verdicts()).toEqual([{ verdict: 'down' }]);
    await react('', 2);
    expect(await verdicts()).toEqual([{ verdict: null }]);
  });
});

describe('a request', () => {
  it('of several messages of several numbers reaches each company with its own, once however often it comes', async () => {
    const { whatsapp, model, url } = installation;
    const tomas = installation.newPerson('Tomas');
    model.respond(({ body }) => (JSON.stringify(body).includes('Persona of acme') ? 'Acme.' : 'Globex.'));
    const text = (body: string) => ({ type: 'text', text: { body } });
    const changes = [
      whatsapp.messageChange(ACME, mara, text('one')),
      whatsapp.messageChange(GLOBEX, mara, text('two')),
      whatsapp.messageChange(ACME, tomas, text('three')),
    ];
    const requests = model.requests.length;
    const statuses = await Promise.all([1, 2, 3].map(() => whatsapp.post(`${url()}/whatsapp`, changes)));
    expect(statuses).toEqual([200, 200, 200]);
    await installation.idle();
    expect(model.requests.length - requests).toBe(3);
    expect([installation.texts(mara), installation.texts(mara, GLOBEX), installation.texts(tomas)]).toEqual([
      ['Acme.'],
      ['Globex.'],
      ['Acme.'],
    ]);
    for (const { token, path } of whatsapp.calls) {
      if (path.startsWith(`/${ACME}`)) expect(token).toBe(acmeNumber.token);
      if (path.startsWith(`/${GLOBEX}`)) expect(token).toBe(globexNumber.token);
    }
  });

  it('may be as large as Meta makes them, and no larger', async () => {
    const { whatsapp, url } = installation;
    const sized = (bytes: number) => [{ phoneNumberId: ACME, value: { padding: 'x'.repeat(bytes) } }];
    expect(await whatsapp.post(`${url()}/whatsapp`, sized(2_900_000))).toBe(200);
    expect(await whatsapp.post(`${url()}/whatsapp`, sized(3_200_000))).toBe(413);
  });

  it('with another secret is refused, and so is a check of the address with another token', async () => {
    const { whatsapp, url, connectionIds } = installation;
    const change = whatsapp.messageChange(ACME, mara, { type: 'text', text: { body: 'x' } });
    expect(await whatsapp.post(`${url()}/whatsapp`, [change], 'another')).toBe(401);
    // It has no app of its own, so nothing that comes to its own address is signed with its secret.
    expect(await whatsapp.post(`${url()}/whatsapp/${connectionIds[0]}`, [change])).toBe(401);
    const check = (path: string, token: string) =>
      fetch(`${url()}${path}?hub.mode=subscribe&hub.challenge=1&hub.verify_token=${token}`).then(
        ({ status }) => status,
      );
    expect(await check('/whatsapp', VERIFY_TOKEN)).toBe(200);
    expect(await check('/whatsapp', 'another')).toBe(401);
    expect(await check(`/whatsapp/${connectionIds[0]}`, VERIFY_TOKEN)).toBe(401);
  });
});

describe('nothing that was sent can be changed, so', () => {
  it('“Stopped.” is a message of its own', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
    await sayAndWaitForModel(mara, 'a long story, please');
    await whatsapp.say(ACME, mara, 'Stop!');
    await installation.idle();
    expect(installation.texts(mara)).toEqual(['Stopped.']);
  });

  it('a reaction on one’s own message stops as well', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
    const id = await sayAndWaitForModel(mara, 'a long story, please');
    await whatsapp.send(ACME, mara, { type: 'reaction', reaction: { message_id: id, emoji: '🛑' } });
    await installation.idle();
    expect(installation.texts(mara)).toEqual(['Stopped.']);
  });

  it('that the model fails is said in a message of its own', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => ({ status: 500 }));
    await whatsapp.say(ACME, mara, 'hello?');
    await installation.idle();
    expect(installation.texts(mara)).toEqual([expect.stringContaining('I could not reach my model')]);
    expect(await turnsOf(mara)).toEqual([{ status: 'dead', error_code: 'model_unavailable' }]);
  });

  it('a turn that is given up otherwise says so, too', async () => {
    const { whatsapp, model, query } = installation;
    model.respond(() => ({ text: 'Never.', delayMs: 5_000 }));
    await sayAndWaitForModel(mara, 'hello?');
    // As if its workers had died of it again and again.
    await query(
      `update konstruct.turns t set attempts = 99 from konstruct.conversations c
       where c.id = t.conversation_id and c.channel_id = $1`,
      [mara.phone],
    );
    await query(
      `update konstruct.conversations set lease_owner = null, fence = fence + 1, ready_at = now() where channel_id = $1`,
      [mara.phone],
    );
    await installation.idle();
    expect(installation.texts(mara)).toEqual([expect.stringContaining('Something went wrong on my side')]);
    expect(await turnsOf(mara)).toEqual([{ status: 'dead', error_code: 'internal' }]);
    expect(whatsapp.shown.at(-1)?.to).toBe(mara.phone);
  });

  it('a second look after an edit is a second message', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => 'Paris.');
    const id = await whatsapp.say(ACME, mara, 'capital of Frnace?');
    await installation.idle();
    model.respond(() => 'Madrid.');
    const edit = { original_message_id: id, message: { type: 'text', text: { body: 'capital of Spain?' } } };
    await whatsapp.send(ACME, mara, { type: 'edit', edit });
    await installation.idle();
    expect(installation.texts(mara)).toEqual(['Paris.', 'Madrid.']);
    expect((await turnsOf(mara)).map(({ status }) => status)).toEqual(['answered', 'answered']);
  });

  it('which tools run is shown to nobody, and the answer comes alone', async () => {
    const { whatsapp, model } = installation;
    model.respond((request) =>
      lastResults(request).length === 0 ? callTools(['look_up', {}]) : 'Found: 14 days.',
    );
    await whatsapp.say(ACME, mara, 'How long?');
    await installation.idle();
    expect(lookUp.runs.length).toBeGreaterThan(0);
    expect(installation.texts(mara)).toEqual(['Found: 14 days.']);
  });

  it('an agent that begins anew with what came meanwhile answers once', async () => {
    const { whatsapp, model, query } = installation;
    const busyMode = (mode: string) => query('update konstruct.agents set busy_mode = $1', [mode]);
    await busyMode('interrupt');
    model.respond(() => ({ text: 'Too early.', delayMs: 5_000 }));
    await sayAndWaitForModel(mara, 'one');
    model.respond(() => 'To both.');
    await whatsapp.say(ACME, mara, 'two');
    await installation.idle();
    await busyMode('queue');
    expect(installation.texts(mara)).toEqual(['To both.']);
  });

  it('an answer stays although all that it answers was taken back and the connection wants it gone', async () => {
    const { whatsapp, model, query, log } = installation;
    const settings = (value: object) =>
      query('update konstruct.connections set settings = $2 where external_id = $1', [ACME, value]);
    await settings({ ratePerMinute: 1_000, onDeletion: 'retract' });
    model.respond(() => 'Said is said.');
    await until('the setting is known', async () => {
      const person = installation.newPerson();
      const id = await whatsapp.say(ACME, person, 'never mind');
      await installation.idle();
      await whatsapp.send(ACME, person, { type: 'revoke', revoke: { original_message_id: id } });
      await installation.idle();
      expect(installation.texts(person)).toEqual(['Said is said.']);
      return (await turnsOf(person)).some(({ status }) => status === 'cancelled');
    });
    await settings({ ratePerMinute: 1_000 });
    expect(log.lines.filter(({ event }) => event === 'placeholder.left_standing')).toEqual([]);
  });

  it('a question that is taken back while the agent works is not answered, and nothing is said', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => ({ text: 'Too late.', delayMs: 5_000 }));
    const id = await sayAndWaitForModel(mara, 'never mind');
    await whatsapp.send(ACME, mara, { type: 'revoke', revoke: { original_message_id: id } });
    await installation.idle();
    expect(installation.texts(mara)).toEqual([]);
    expect((await turnsOf(mara)).map(({ status }) => status)).toEqual(['cancelled']);
  });
});

describe('an answer whose sending was cut off', () => {
  it('is not sent again: WhatsApp says by itself that it was sent', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => 'Once.');
    whatsapp.faults.push({ kind: 'cut_after', remaining: 1 });
    await whatsapp.say(ACME, mara, 'hello');
    await installation.idle();
    expect(installation.texts(mara)).toEqual(['Once.']);
    expect(await turnsOf(mara)).toEqual([{ status: 'answered', error_code: null }]);
    const sent = whatsapp.shown.at(-1)?.id;
    expect(
      await installation.query('select 1 from konstruct.messages where external_id = $1', [sent]),
    ).toHaveLength(1);
    // The conversation goes on with it.
    model.respond(() => 'Again.');
    await whatsapp.say(ACME, mara, 'and again');
    await installation.idle();
    expect(installation.texts(mara)).toEqual(['Once.', 'Again.']);
  });

  it('is not sent again by whoever takes the turn over', async () => {
    const { whatsapp, model, query } = installation;
    model.respond(() => 'Once.');
    whatsapp.faults.push({ kind: 'silent_after', remaining: 1 });
    await whatsapp.say(ACME, mara, 'hello');
    await until('the receipt is stored', async () => {
      const rows = await query(
        `select 1 from konstruct.deliveries where channel_id = $1 and external_id is not null`,
        [mara.phone],
      );
      return rows.length === 1;
    });
    // As if the worker had died while it waited for WhatsApp's answer.
    await query(
      `update konstruct.conversations set lease_owner = 'nobody', fence = fence + 1, ready_at = now() where channel_id = $1`,
      [mara.phone],
    );
    await until('it is answered', async () => (await turnsOf(mara))[0]?.status === 'answered');
    expect(installation.texts(mara)).toEqual(['Once.']);
  });

  it('is kept as a dead letter when WhatsApp says nothing, and settled when it says so later', async () => {
    const { whatsapp, model, url } = installation;
    model.respond(() => 'Once.');
    whatsapp.sendsStatuses = false;
    whatsapp.faults.push({ kind: 'cut_after', remaining: 1 });
    await whatsapp.say(ACME, mara, 'hello');
    await installation.idle();
    whatsapp.sendsStatuses = true;
    expect(installation.texts(mara)).toEqual(['Once.']);
    expect(await turnsOf(mara)).toEqual([{ status: 'dead', error_code: 'delivery_uncertain' }]);
    const { id, marker } = whatsapp.shown.at(-1) ?? {};
    const status = {
      id,
      status: 'sent',
      timestamp: '1700000000',
      recipient_id: mara.phone,
      biz_opaque_callback_data: marker,
    };
    const failed = { ...status, status: 'failed', errors: [{ code: 131_026 }] };
    // Only the number that sent it is believed.
    await whatsapp.post(`${url()}/whatsapp`, [{ phoneNumberId: GLOBEX, value: { statuses: [status] } }]);
    expect(await turnsOf(mara)).toEqual([{ status: 'dead', error_code: 'delivery_uncertain' }]);
    await whatsapp.post(`${url()}/whatsapp`, [{ phoneNumberId: ACME, value: { statuses: [status] } }]);
    expect(await turnsOf(mara)).toEqual([{ status: 'answered', error_code: null }]);
    // And what was sent can still fail.
    await whatsapp.post(`${url()}/whatsapp`, [{ phoneNumberId: ACME, value: { statuses: [failed] } }]);
    expect(await turnsOf(mara)).toEqual([{ status: 'dead', error_code: 'platform_rejected' }]);
  });
});

describe('an answer that WhatsApp accepts and does not deliver', () => {
  it('because 24 hours have passed is a dead letter that says so', async () => {
    const { whatsapp, model, log } = installation;
    model.respond(() => {
      whatsapp.number(ACME).lastHeardMs.set(mara.userId, Date.now() - 25 * 3_600_000);
      return 'Late.';
    });
    // Sooner, it is only reported (migrations/functions/record_receipt.sql).
    whatsapp.beforeStatuses = () =>
      until('the turn has ended', async () => (await turnsOf(mara))[0]?.status === 'answered');
    await whatsapp.say(ACME, mara, 'hello');
    await until('the turn is a dead letter', async () => (await turnsOf(mara))[0]?.status === 'dead');
    expect(await turnsOf(mara)).toEqual([{ status: 'dead', error_code: 'platform_window_closed' }]);
    expect(log.lines.findLast(({ event }) => event === 'message.undelivered')).toMatchObject({
      fields: { code: 'platform_window_closed', platformError: 're_engagement' },
    });
    expect(installation.texts(mara)).toEqual([]);
    whatsapp.beforeStatuses = async () => {};

    // The person writes again, and the operator replays it.
    model.respond(() => 'On time.');
    await whatsapp.say(ACME, mara, 'are you there?');
    await installation.idle();
    const [dead] = await installation.query(
      `select t.tenant_id, t.id from konstruct.turns t join konstruct.conversations c on c.id = t.conversation_id
       where c.channel_id = $1 and t.status = 'dead'`,
      [mara.phone],
    );
    await installation.inTenant(String(dead?.tenant_id), (transaction) =>
      replayDeadLetter(transaction, Number(dead?.id)),
    );
    await until('it is answered', async () => (await turnsOf(mara))[0]?.status === 'answered');
    expect(installation.texts(mara)).toEqual(['On time.', 'Late.']);
  });
});

describe('an answer that comes too late for free words', () => {
  it('is not sent: the dead letter says why, and no apology is tried', async () => {
    const { whatsapp, model } = installation;
    model.respond(() => 'Never sent.');
    const yesterday = String(Math.floor(Date.now() / 1000) - 25 * 3_600);
    const calls = whatsapp.calls.length;
    await whatsapp.send(ACME, mara, { type: 'text', text: { body: 'hello' }, timestamp: yesterday });
    await installation.idle();
    expect(await turnsOf(mara)).toEqual([{ status: 'dead', error_code: 'platform_window_closed' }]);
    // That it is being read may have been shown; nothing was said.
    expect(whatsapp.calls.slice(calls).filter(({ body }) => body.type !== undefined)).toEqual([]);
  });
});

describe('limits', () => {
  it('of a number are waited for', async () => {
    const { whatsapp, model, log } = installation;
    model.respond(() => 'Hello.');
    whatsapp.faults.push({ kind: 'throughput', remaining: 1 });
    await whatsapp.say(ACME, mara, 'hi');
    await installation.idle();
    expect(installation.texts(mara)).toEqual(['Hello.']);
    expect(log.lines.some(({ event }) => event === 'whatsapp.rate_limited')).toBe(true);
  });
});

describe('more than the limit of a company', () => {
  it('is said to whoever writes it, once, as a message', async () => {
    const { whatsapp, model, query } = installation;
    const limitTo = (ratePerMinute: number) =>
      query('update konstruct.connections set settings = $2 where external_id = $1', [
        GLOBEX,
        { ratePerMinute },
      ]);
    await limitTo(2);
    model.respond(() => 'Hello.');
    await until('the limit is known', async () => {
      const person = installation.newPerson('Gus');
      for (const text of ['one', 'two', 'three', 'four']) await whatsapp.say(GLOBEX, person, text);
      await installation.idle();
      const notices = await query(
        `select 1 from konstruct.deliveries where kind = 'notice' and channel_id = $1 and status = 'sent'`,
        [person.phone],
      );
      if (notices.length === 0) return false;
      const texts = installation.texts(person, GLOBEX);
      expect(
        texts.filter((text) => text.startsWith('That was more than the 2 messages a minute')),
      ).toHaveLength(1);
      return true;
    });
    await limitTo(1_000);
  });
});

describe('a token that Meta refuses', () => {
  it('disables its connection and no other', async () => {
    const { whatsapp, model, log } = installation;
    model.respond(() => 'Hello.');
    whatsapp.number(GLOBEX).revoked = true;
    await until('the connection is disabled', async () => {
      // More than one: the first may still meet the limit of the test before.
      await whatsapp.say(GLOBEX, installation.newPerson(), 'hi');
      await installation.idle();
      return log.lines.some(
        ({ event, fields }) => event === 'connection.disabled' && fields.reason === 'unauthorized',
      );
    });
    const rows = await installation.query(
      'select external_id, status from konstruct.connections order by external_id',
    );
    expect(rows).toEqual([
      { external_id: ACME, status: 'active' },
      { external_id: GLOBEX, status: 'disabled' },
    ]);
  });
});
