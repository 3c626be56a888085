import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AdmitMessage, AdmitOutcome } from '../../src/router/admit.ts';
import {
  conversationOf,
  createPipelineDatabase,
  deletionOf,
  editOf,
  messageEvent,
  type PipelineDatabase,
} from '../support/pipeline-database.ts';

let database: PipelineDatabase;
beforeAll(async () => {
  database = await createPipelineDatabase();
});
afterAll(() => database.drop());

const mention = (overrides: Partial<AdmitMessage> = {}) => messageEvent(database.tenants[0], overrides);

async function storedMessage(message: AdmitMessage) {
  const [row] = await database.query<{
    content: string;
    addressed: boolean;
    deleted: boolean;
    sender_name: string | null;
  }>(
    `select content, addressed, deleted_at is not null as deleted, sender_name from konstruct.messages
     where tenant_id = $1 and external_id = $2 and channel_id = $3`,
    [message.tenantId, message.messageId, message.channelId],
  );
  return row;
}

function count(outcomes: readonly AdmitOutcome[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

/** Moves the clock of a bucket: it was last refilled so much earlier. */
async function letPass(key: string, seconds: number): Promise<void> {
  await database.query(
    `update konstruct.rate_buckets set refilled_at = refilled_at - $2 * interval '1 second' where key = $1`,
    [key, seconds],
  );
}

describe('one message', () => {
  it('is new exactly once when it comes 200 times through two gateways at the same moment', async () => {
    const gateways = [database.gateway(), database.gateway()];
    const message = mention();
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        gateways[index % 2]?.({ ...message, eventId: `Ev-copy-${index}` }),
      ),
    );
    expect(count(outcomes as AdmitOutcome[])).toEqual({ new: 1, duplicate: 199 });
  });

  it('is a duplicate when the platform names it otherwise but the event is the same', async () => {
    const admit = database.gateway();
    const message = mention();
    expect((await admit(message)).outcome).toBe('new');
    expect((await admit(mention({ eventId: message.eventId }))).outcome).toBe('duplicate');
  });

  it('is another one in another channel and on another connection', async () => {
    const admit = database.gateway();
    const message = mention();
    await admit(message);
    expect((await admit({ ...message, channelId: 'C2', eventId: null })).outcome).toBe('new');
    const elsewhere = messageEvent(database.tenants[1], { messageId: message.messageId });
    expect((await admit(elsewhere)).outcome).toBe('new');
  });

  it('makes an idle conversation ready, and says which one was idle', async () => {
    const admit = database.gateway();
    const first = mention();
    expect(await admit(first)).toMatchObject({ outcome: 'new', wasIdle: true, begins: true });
    const second = mention({ conversationThreadId: first.conversationThreadId });
    const next = await admit(second);
    expect(next).toMatchObject({ outcome: 'new', wasIdle: false });
    expect(next).not.toHaveProperty('begins');
  });

  it('that PostgreSQL refuses does not take its batch with it', async () => {
    const admit = database.gateway();
    const results = await Promise.allSettled([
      admit(mention()),
      admit(mention({ scope: 'nowhere' as never })),
      admit(mention()),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('is stored as it is, whatever it holds', async () => {
    const content = `'); drop table konstruct.messages; -- "$1" \\ %s {"a": null} 🦊 \u202e`;
    const message = mention({ content, senderName: `O'Brien "x"` });
    await database.gateway()(message);
    expect(await storedMessage(message)).toMatchObject({ content, sender_name: `O'Brien "x"` });
  });
});

describe('whether the agent is asked', () => {
  const states = ['unknown', 'idle', 'engaged', 'no longer engaged', 'at work'] as const;
  const expected: Readonly<Record<(typeof states)[number], readonly string[]>> = {
    //                    yes    if_engaged     context
    unknown: ['new', 'not_engaged', 'not_engaged'],
    idle: ['new', 'context', 'context'],
    engaged: ['new', 'new', 'context'],
    'no longer engaged': ['new', 'context', 'context'],
    'at work': ['new', 'new', 'context'],
  };

  for (const state of states) {
    it(`in a conversation that is ${state}: ${expected[state].join(', ')}`, async () => {
      const admit = database.gateway();
      const outcomes = [];
      for (const addressed of ['yes', 'if_engaged', 'context'] as const) {
        const root = mention();
        if (state !== 'unknown') {
          const id = conversationOf(await admit(root));
          await database.query(
            `update konstruct.messages set turn_id = null, addressed = false where conversation_id = $1`,
            [id],
          );
          await database.query(
            `update konstruct.conversations
             set ready_at = case $2 when 'at work' then now() + interval '1 minute' end,
                 engaged_until = case $2 when 'engaged' then now() + interval '1 minute'
                                         when 'no longer engaged' then now() - interval '1 second' end
             where id = $1`,
            [id, state],
          );
        }
        const reply = mention({ conversationThreadId: root.conversationThreadId, addressed });
        outcomes.push((await admit(reply)).outcome);
        const stored = await storedMessage(reply);
        expect(stored?.addressed ?? null).toBe(
          { new: true, context: false, not_engaged: null }[outcomes.at(-1) as 'new'],
        );
      }
      expect(outcomes).toEqual(expected[state]);
    });
  }

  it('is settled by the mention when the plain message came first and was taken for context', async () => {
    const admit = database.gateway();
    const root = mention();
    const id = conversationOf(await admit(root));
    await database.query('update konstruct.messages set addressed = false where conversation_id = $1', [id]);
    await database.query('update konstruct.conversations set ready_at = null where id = $1', [id]);
    const plain = mention({ conversationThreadId: root.conversationThreadId, addressed: 'if_engaged' });
    expect((await admit(plain)).outcome).toBe('context');
    const asMention = { ...plain, addressed: 'yes' as const, eventId: 'Ev-mention-of-it' };
    expect(await admit(asMention)).toEqual({ outcome: 'new', conversationId: id, wasIdle: true });
    expect((await admit(asMention)).outcome).toBe('duplicate');
    expect((await admit(plain)).outcome).toBe('duplicate');
    expect(await storedMessage(plain)).toMatchObject({ addressed: true });
  });

  it('has its files and its words as they came when an agent had read it with its thread before', async () => {
    const admit = database.gateway();
    const root = mention();
    const conversation = conversationOf(await admit(root));
    const read = async (content: string, edited: boolean): Promise<AdmitMessage> => {
      const message = mention({
        conversationThreadId: root.messageId,
        content: 'what is this?',
        mentions: [{ externalId: 'U7', name: 'Tom' }],
        attachments: [
          { externalId: 'F1', name: 'plan.pdf', mediaType: 'application/pdf', bytes: 7 },
        ] as never,
        channelMetadata: { clientMessageId: 'c1' },
      });
      await database.query(
        `insert into konstruct.messages (tenant_id, conversation_id, connection_id, channel_id, external_id, direction,
           sender_id, content, addressed, sent_at, edited_at)
         values ($1, $2, $3, $4, $5, 'in', 'U1', $6, false, now(), case when $7 then now() end)`,
        [
          message.tenantId,
          conversation,
          message.connectionId,
          message.channelId,
          message.messageId,
          content,
          edited,
        ],
      );
      expect((await admit(message)).outcome).toBe('new');
      return message;
    };
    const stored = async ({ messageId }: AdmitMessage) =>
      (
        await database.query(
          `select content, mentions, attachments, channel_metadata as metadata, addressed from konstruct.messages
           where external_id = $1 and conversation_id = $2`,
          [messageId, conversation],
        )
      )[0];
    const plain = await read('@UAGENT what is this?', false);
    const { attachments, mentions } = plain;
    const asItCame = { attachments, metadata: { clientMessageId: 'c1' }, addressed: true };
    expect(await stored(plain)).toEqual({ ...asItCame, content: 'what is this?', mentions });
    // Newer words than those of the event stay.
    const edited = await read('What is that?', true);
    expect(await stored(edited)).toEqual({ ...asItCame, content: 'What is that?', mentions: [] });
  });

  it('wakes the thread that knows the message when it was read there as context', async () => {
    const admit = database.gateway();
    const threaded = mention({ channelId: 'D1', scope: 'direct', conversationThreadId: '5.5' });
    const id = conversationOf(await admit(threaded));
    await database.query('update konstruct.conversations set ready_at = null where id = $1', [id]);
    const root = mention({ channelId: 'D1', scope: 'direct', conversationThreadId: '' });
    await database.query(
      `insert into konstruct.messages (tenant_id, conversation_id, connection_id, channel_id, external_id, direction,
         sender_id, content, addressed, sent_at) values ($1, $2, $3, 'D1', $4, 'in', 'U1', 'read', false, now())`,
      [root.tenantId, id, root.connectionId, root.messageId],
    );
    expect(await admit(root)).toEqual({ outcome: 'new', conversationId: id, wasIdle: true });
  });
});

describe('edits and deletions', () => {
  it('keep the newest words, in whatever order edits arrive', async () => {
    const admit = database.gateway();
    const message = mention({ content: 'first' });
    await admit(message);
    expect((await admit(editOf(message, 'third', 3_000))).outcome).toBe('edited');
    expect((await admit(editOf(message, 'second', 2_000))).outcome).toBe('unknown_message');
    expect(await storedMessage(message)).toMatchObject({ content: 'third' });
  });

  it('follow their message within one batch', async () => {
    const admit = database.gateway();
    const message = mention();
    const outcomes = await Promise.all([admit(message), admit(editOf(message, 'better', 5_000))]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['new', 'edited']);
  });

  it('of a message that nobody knows change nothing', async () => {
    const admit = database.gateway();
    expect((await admit(editOf(mention(), 'x', 1_000))).outcome).toBe('unknown_message');
    expect((await admit(deletionOf(mention()))).outcome).toBe('unknown_message');
  });

  it('take the words away for good: neither a late copy nor an edit brings them back', async () => {
    const admit = database.gateway();
    const message = mention({ content: 'secret' });
    await admit(message);
    expect((await admit(deletionOf(message))).outcome).toBe('deleted');
    expect((await admit({ ...message, eventId: 'Ev-late-copy' })).outcome).toBe('duplicate');
    expect((await admit(editOf(message, 'secret', 9e12))).outcome).toBe('unknown_message');
    expect((await admit(deletionOf(message))).outcome).toBe('unknown_message');
    expect(await storedMessage(message)).toMatchObject({ content: '', deleted: true });
  });

  it('of one tenant do not touch the same message of another', async () => {
    const admit = database.gateway();
    const message = mention({ content: 'mine' });
    await admit(message);
    const [, other] = database.tenants;
    const forged = { ...deletionOf(message), tenantId: other.tenantId };
    expect((await admit(forged)).outcome).toBe('unknown_message');
    expect(await storedMessage(message)).toMatchObject({ content: 'mine', deleted: false });
  });
});

describe('the token bucket', () => {
  const limited = (key: string, overrides: Partial<AdmitMessage> = {}) =>
    mention({ bucketKey: key, ratePerMinute: 30, ...overrides });

  it('lets 30 a minute through at once, shared by two gateways, then one every 2 seconds', async () => {
    const gateways = [database.gateway(), database.gateway()];
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) => gateways[index % 2]?.(limited('burst'))),
    );
    expect(count(outcomes as AdmitOutcome[])).toEqual({ new: 30, limited: 20 });
    const [admit] = gateways as [(typeof gateways)[0]];
    for (let round = 0; round < 3; round += 1) {
      await letPass('burst', 2);
      expect((await admit?.(limited('burst')))?.outcome).toBe('new');
      expect((await admit?.(limited('burst')))?.outcome).toBe('limited');
    }
  });

  it('says to the millisecond when the next token comes', async () => {
    const admit = database.gateway();
    await database.query(
      `insert into konstruct.rate_buckets values ($1, 'exact', 0.25, clock_timestamp() + interval '1 hour', null)`,
      [database.tenants[0].tenantId],
    );
    const outcome = await admit(limited('exact'));
    expect(outcome).toMatchObject({ outcome: 'limited', retryAfterMs: 1_500 });
  });

  it('never holds more than its capacity', async () => {
    const admit = database.gateway();
    await admit(limited('full'));
    await letPass('full', 86_400);
    const outcomes = await Promise.all(Array.from({ length: 35 }, () => admit(limited('full'))));
    expect(count(outcomes)).toEqual({ new: 30, limited: 5 });
  });

  it('of a connection with a limit of its own is apart from the tenant’s', async () => {
    const admit = database.gateway();
    const own = { bucketKey: 'slack:own', ratePerMinute: 2 };
    const outcomes = await Promise.all(Array.from({ length: 3 }, () => admit(mention(own))));
    expect(count(outcomes)).toEqual({ new: 2, limited: 1 });
    expect((await admit(limited('apart'))).outcome).toBe('new');
  });

  it('pays neither for copies nor for what the agent is not asked', async () => {
    const admit = database.gateway();
    const root = limited('unpaid', { ratePerMinute: 2 });
    await admit(root);
    await database.query(
      'update konstruct.conversations set ready_at = null, engaged_until = null where thread_id = $1',
      [root.conversationThreadId],
    );
    for (let index = 0; index < 5; index += 1) {
      await admit(root);
      const context = limited('unpaid', {
        conversationThreadId: root.conversationThreadId,
        addressed: 'if_engaged',
      });
      expect((await admit(context)).outcome).toBe('context');
    }
    expect((await admit(limited('unpaid', { ratePerMinute: 2 }))).outcome).toBe('new');
  });

  it('that is empty has each person told once, and again when it ran empty again later', async () => {
    const admit = database.gateway();
    const from = (senderId: string) => limited('notices', { ratePerMinute: 4, senderId });
    const notices = async () =>
      (
        await database.query<{ person: string }>(
          `select detail->>'personId' as person from konstruct.deliveries where kind = 'notice' and dedupe_key like '%UN%'
           order by id`,
        )
      ).map(({ person }) => person);
    for (let index = 0; index < 4; index += 1) await admit(from('UN1'));
    const refusals = [];
    for (const person of ['UN1', 'UN1', 'UN2', 'UN1']) refusals.push(await admit(from(person)));
    expect(refusals.map((refusal) => 'noticeId' in refusal)).toEqual([true, false, true, false]);
    expect(await notices()).toEqual(['UN1', 'UN2']);

    await letPass('notices', 15); // one token: the episode goes on
    expect((await admit(from('UN1'))).outcome).toBe('new');
    expect('noticeId' in (await admit(from('UN1')))).toBe(false);

    await letPass('notices', 60); // full again: the episode is over
    for (let index = 0; index < 4; index += 1) await admit(from('UN1'));
    expect('noticeId' in (await admit(from('UN1')))).toBe(true);
    expect(await notices()).toEqual(['UN1', 'UN2', 'UN1']);
  });
});
