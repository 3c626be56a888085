import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { applyGlimpse, type Glimpse } from '../../src/core/glimpse.ts';
import type { Mailbox, MailboxRef, VisitorMailbox } from '../../src/core/mailbox.ts';
import { createDatabase } from '../../src/db/create-database.ts';
import { createMailbox, createVisitorMailbox, toPayloads } from '../../src/stores/mailbox.ts';
import { expireOldRows } from '../../src/stores/retention.ts';
import { until } from '../support/conversation.ts';
import { createPipelineDatabase, type PipelineDatabase } from '../support/pipeline-database.ts';

let database: PipelineDatabase;
let mailbox: Mailbox;
let visitors: VisitorMailbox;
let owner: { tenantId: string };
let stranger: { tenantId: string };
let connectionId: string;
let lastBox = 0;
beforeAll(async () => {
  database = await createPipelineDatabase();
  const pool = database.pool(8);
  mailbox = createMailbox(pool);
  visitors = createVisitorMailbox(pool, createDatabase(pool));
  [owner, stranger] = database.tenants;
  connectionId = database.tenants[0].connectionId;
});
afterAll(() => database.drop());

const words = { choices: [], marker: 'm', authorName: null, isProvisional: false, isAnswer: false };
const read = (box: MailboxRef, after: number | null = null, limit = 100) =>
  visitors.read(owner, box, after, limit);
/** A mailbox in which somebody has said hello. */
async function newBox(): Promise<MailboxRef> {
  lastBox += 1;
  const box = { connectionId, channelId: `v:visitor ${lastBox}` };
  await visitors.keep(box, { messageId: 'v-hello', text: 'hello' });
  return box;
}

describe('a mailbox', () => {
  it('is made by the first thing its visitor says; before that the agent has nowhere to speak', async () => {
    const nowhere = { connectionId, channelId: 'v:nobody' };
    expect(await mailbox.append(nowhere, { ...words, markdown: 'hello?' })).toBeNull();
    expect(await read(nowhere)).toEqual([]);
    const noConnection = { connectionId: crypto.randomUUID(), channelId: 'v:nobody' };
    await visitors.keep(noConnection, { messageId: 'v-1', text: 'x' });
    expect(await database.query(`select 1 from konstruct.mailboxes where channel_id = 'v:nobody'`)).toEqual(
      [],
    );
    const box = await newBox();
    expect(await mailbox.append(box, { ...words, markdown: 'hi' })).toMatchObject({
      messageId: expect.stringMatching(/^\d+$/),
    });
    expect((await read(box)).map(({ from, markdown }) => [from, markdown])).toEqual([
      ['visitor', 'hello'],
      ['agent', 'hi'],
    ]);
  });

  it('keeps what a browser sends again once, also when it comes twice at the same moment', async () => {
    const box = await newBox();
    const again = { messageId: 'v-again', text: 'did you get this?' };
    await Promise.all(Array.from({ length: 8 }, () => visitors.keep(box, again)));
    expect(await read(box)).toHaveLength(2);
  });

  it('shows each change behind a revision, as it is now: words, buttons, that something was taken away', async () => {
    const box = await newBox();
    const placeholder = { ...words, markdown: 'Thinking…', isProvisional: true, marker: 'p' };
    const shown = await mailbox.append(box, placeholder);
    const unwanted = await mailbox.append(box, { ...words, markdown: 'unwanted' });
    const known = (await read(box)).at(-1)?.revision ?? 0;
    const answer = { ...words, markdown: 'Which?\0', marker: 'a', choices: ['Red', 'Blue'] };
    expect(await mailbox.change(box, shown?.messageId ?? '', answer)).toBe(true);
    expect(await mailbox.remove(box, unwanted?.messageId ?? '')).toBe(true);
    expect(await read(box, known)).toMatchObject([
      {
        messageId: shown?.messageId,
        markdown: 'Which?',
        choices: ['Red', 'Blue'],
        isProvisional: false,
        revision: known + 1,
      },
      { messageId: unwanted?.messageId, markdown: '', isRemoved: true, revision: known + 2 },
    ]);
    expect((await read(box)).map(({ markdown }) => markdown)).toEqual(['hello', 'Which?']);
    expect(await mailbox.change(box, shown?.messageId ?? '', { choices: [] })).toBe(true);
    expect(await read(box, known + 2)).toMatchObject([{ markdown: 'Which?', choices: [] }]);
    expect(await mailbox.find(box, 'p')).toBeNull();
    expect(await mailbox.find(box, 'a')).toEqual(shown);
  });

  it('shows what its visitor thinks of an answer, once for every change, until other words stand there', async () => {
    const box = await newBox();
    const answer = { ...words, markdown: 'Within 30 days.', isAnswer: true };
    const { messageId = '' } = (await mailbox.append(box, answer)) ?? {};
    const notice = await mailbox.append(box, { ...words, markdown: 'Wait a moment.' });
    const rate = (rating: 'up' | 'down', present: boolean) =>
      visitors.rate(box, messageId, { rating, present });
    const shown = async () => (await read(box)).find((message) => message.messageId === messageId);
    const before = (await read(box)).at(-1)?.revision ?? 0;
    expect(await shown()).toMatchObject({ isAnswer: true, rating: null });
    for (const again of [1, 2]) expect(await rate('up', true), String(again)).toBe(true);
    expect(await read(box, before)).toMatchObject([{ messageId, rating: 'up', revision: before + 1 }]);
    expect(await rate('down', false)).toBe(true);
    expect(await shown()).toMatchObject({ rating: 'up', revision: before + 1 });
    await rate('down', true);
    await rate('up', false);
    expect(await shown()).toMatchObject({ rating: 'down', revision: before + 2 });
    await rate('down', false);
    expect(await shown()).toMatchObject({ rating: null, revision: before + 3 });

    await rate('up', true);
    await mailbox.change(box, messageId, { choices: [] });
    await mailbox.change(box, messageId, answer);
    expect(await shown()).toMatchObject({ rating: 'up' });
    await mailbox.change(box, messageId, { ...answer, markdown: 'Within 14 days.' });
    expect(await shown()).toMatchObject({ rating: null, isAnswer: true });

    const thumb = { rating: 'up', present: true } as const;
    const elsewhere = { ...box, connectionId: database.tenants[1].connectionId };
    for (const [where, id] of [
      [box, notice?.messageId ?? ''],
      [box, 'v-hello'],
      [elsewhere, messageId],
      [await newBox(), messageId],
    ] as const)
      expect(await visitors.rate(where, id, thumb)).toBe(false);
    await mailbox.remove(box, messageId);
    expect(await visitors.rate(box, messageId, thumb)).toBe(false);
  });

  it('changes nothing that is gone, of another mailbox or of its visitor', async () => {
    const [box, other] = [await newBox(), await newBox()];
    const { messageId = '' } = (await mailbox.append(box, { ...words, markdown: 'mine' })) ?? {};
    for (const wrong of ['v-hello', '0', '1e3', '99999999999999999999', ''])
      expect(await mailbox.change(box, wrong, { markdown: 'x' }), wrong).toBe(false);
    expect(await mailbox.change(other, messageId, { markdown: 'x' })).toBe(false);
    const elsewhere = { ...box, connectionId: database.tenants[1].connectionId };
    expect(await mailbox.change(elsewhere, messageId, { markdown: 'x' })).toBe(false);
    expect(await mailbox.find(elsewhere, 'm')).toBeNull();
    expect(await mailbox.remove(box, messageId)).toBe(true);
    expect(await mailbox.remove(box, messageId)).toBe(false);
    expect(await mailbox.change(box, messageId, { markdown: 'x' })).toBe(false);
  });

  it('is read by its own tenant only', async () => {
    const box = await newBox();
    expect(await read(box)).toHaveLength(1);
    expect(await visitors.read(stranger, box, null, 10)).toEqual([]);
    expect(await visitors.read(stranger, box, 0, 10)).toEqual([]);
  });

  it('loses nothing to a reader who goes on from where he was, however many write at once', async () => {
    const box = await newBox();
    const seen = new Set<string>();
    let after = 0;
    let writing = true;
    const reading = (async () => {
      for (let last = false; ; ) {
        const changed = await read(box, after, 7);
        for (const { messageId, revision } of changed) {
          expect(revision).toBeGreaterThan(after);
          seen.add(messageId);
          after = revision;
        }
        if (changed.length > 0) continue;
        if (last) return;
        last = !writing;
      }
    })();
    const written = await Promise.all(
      Array.from({ length: 120 }, (_, index) => mailbox.append(box, { ...words, markdown: `m${index}` })),
    );
    writing = false;
    await reading;
    expect(seen).toEqual(new Set(['v-hello', ...written.map((each) => each?.messageId)]));
  });

  it('gives a browser that knows more than the mailbox has (a backup was restored) all of it again', async () => {
    const box = await newBox();
    const [message] = await read(box);
    expect(await read(box, message?.revision ?? 0)).toEqual([]);
    expect(await read(box, (message?.revision ?? 0) + 5)).toHaveLength(1);
  });

  it('is emptied by retention, and when it comes again it counts on from where no browser has been', async () => {
    const box = await newBox();
    const pool = database.pool(1);
    const [before] = await read(box);
    for (const [table, column] of [
      ['mailbox_messages', 'created_at'],
      ['mailboxes', 'changed_at'],
    ])
      await database.query(
        `update konstruct.${table} set ${column} = now() - interval '40 days' where channel_id = $1`,
        [box.channelId],
      );
    const days = (count: number) => new Date(Date.now() - count * 86_400_000);
    const { signal } = new AbortController();
    expect(await expireOldRows(pool, days(50), signal)).toMatchObject({ mailboxes: 0 });
    expect(await expireOldRows(pool, days(30), signal)).toMatchObject({ mailboxes: 2 });
    await visitors.keep(box, { messageId: 'v-hello', text: 'hello again' });
    const [after] = await read(box, before?.revision ?? null);
    expect(after?.markdown).toBe('hello again');
  });
});

describe('a glimpse', () => {
  it('reaches every gateway in order, and a long one in pieces that a notification can carry', async () => {
    const box = await newBox();
    let text = '';
    let heard = 0;
    const stop = await database.listen('konstruct_glimpse', (notification) => {
      const { glimpse } = JSON.parse(notification?.payload ?? '') as { glimpse: Glimpse };
      text = applyGlimpse(text, glimpse) ?? 'something is missing';
      heard += 1;
    });
    const long = '漢字 and \u0001 "quotes" 😀 '.repeat(2_000);
    await mailbox.glimpse(box, [{ messageId: '1', from: 0, text: 'Hello', length: 5 }]);
    await mailbox.glimpse(box, [
      { messageId: '1', from: 5, text: ' world', length: 11 },
      { messageId: '1', from: 0, text: long, length: long.length },
    ]);
    await until('all of it was heard', () => text === long);
    expect(heard).toBeGreaterThan(10);
    await stop();
  });

  it.each(['x'.repeat(9_000), '\u0001'.repeat(5_000), '😀'.repeat(4_000), ''])('fits: %.3s…', (text) => {
    const payloads = toPayloads(
      { connectionId, channelId: 'v:x' },
      { messageId: '1', from: 3, text, length: 3 },
    );
    for (const payload of payloads) expect(Buffer.byteLength(payload)).toBeLessThan(8_000);
    const glimpses = payloads.map((payload) => (JSON.parse(payload) as { glimpse: Glimpse }).glimpse);
    expect(glimpses.map((each) => each.text).join('')).toBe(text);
  });
});

describe('applyGlimpse', () => {
  it('adds, replaces from a place on, shortens, and says when something before it is missing', () => {
    expect(applyGlimpse('', { from: 0, text: 'ab', length: 2 })).toBe('ab');
    expect(applyGlimpse('ab', { from: 2, text: 'c', length: 3 })).toBe('abc');
    expect(applyGlimpse('abc', { from: 1, text: 'x', length: 2 })).toBe('ax');
    expect(applyGlimpse('abcdef', { from: 0, text: 'abc', length: 6 })).toBe('abcdef');
    expect(applyGlimpse('abcdef', { from: 0, text: '', length: 0 })).toBe('');
    expect(applyGlimpse('a', { from: 2, text: 'c', length: 3 })).toBeNull();
  });
});
