import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChannelRequest } from '../../src/core/channel.ts';
import type { ChannelEvent } from '../../src/core/channel-event.ts';
import { isKonstructError } from '../../src/core/errors.ts';
import { seededRandom } from '../support/slack-request.ts';
import type { ChannelHarness, Operation } from './channel-harness.ts';
import { harnesses } from './channel-harnesses.ts';

const MUTATIONS = 1_000;
const FORMATTED = 500;
const signal = new AbortController().signal;
const marker = (deliveryId: string) => ({ deliveryId });

describe.each(harnesses)('the channel %s', (type, start) => {
  let harness: ChannelHarness;
  beforeAll(async () => {
    harness = await start();
  });
  afterAll(() => harness.close());

  const post = (markdown: string, deliveryId = '1') => {
    const { channel, access, target } = harness;
    return channel.post(access, { target, markdown, marker: marker(deliveryId) }, signal);
  };
  const edit = (messageId: string, markdown: string) => {
    const { channel, access, target } = harness;
    return channel.edit(access, { target, messageId, markdown, marker: marker('delivery-7') }, signal);
  };

  it('is called what its definition calls it', () => {
    expect(harness.channel.type).toBe(type);
    expect(harness.definition.type).toBe(type);
    expect(harness.definition.webhook.path).toMatch(/^\/[a-z][a-z/-]*$/);
  });

  it(`accepts what the platform sends, and none of ${MUTATIONS} changes to it`, async () => {
    const { channel, secret, nowMs, proof, signsBody } = harness;
    const request = harness.request({ id: 1, text: 'hello', eventNumber: 1 });
    await channel.verify(request, secret, nowMs);
    const random = seededRandom(11);
    for (let round = 0; round < MUTATIONS; round += 1) {
      const headers: Record<string, string | undefined> = { ...(request.headers as Record<string, string>) };
      let body = request.body;
      if (harness.changeProof !== undefined) ({ body } = harness.changeProof(request, random));
      else if (signsBody && round % 2 === 0) {
        body = Buffer.from(request.body);
        const place = Math.floor(random() * body.length);
        body[place] = ((body[place] ?? 0) + 1 + Math.floor(random() * 255)) % 256;
      } else {
        const name = proof[Math.floor(random() * proof.length)] as string;
        headers[name] = mutated(headers[name] ?? '', random);
      }
      let accepted = true;
      try {
        await channel.verify({ ...request, headers, body }, secret, nowMs);
      } catch (error) {
        accepted = false;
        expect(isKonstructError(error) && error.status).toBe(401);
      }
      expect(accepted, `${JSON.stringify(headers)} ${body}`).toBe(false);
    }
  });

  it('accepts nothing without its proof, with another secret or with none', async () => {
    const { channel, secret, nowMs, proof } = harness;
    const request = harness.request({ id: 1, text: 'hello', eventNumber: 1 });
    for (const name of proof) {
      const { [name]: _left, ...headers } = request.headers;
      await expect(verified({ ...request, headers }, secret)).rejects.toMatchObject({ status: 401 });
    }
    await expect(verified(request, `${secret}x`)).rejects.toMatchObject({ status: 401 });
    await expect(verified(request, '')).rejects.toMatchObject({ status: 401 });
    async function verified(given: ChannelRequest, withSecret: string): Promise<void> {
      await channel.verify(given, withSecret, nowMs);
    }
  });

  /** What a request says; what comes as a command is a message when it is shown. */
  const messageOf = async (request: ChannelRequest): Promise<ChannelEvent | null | undefined> => {
    const parsed = harness.channel.parse(request);
    const [event] = parsed.kind === 'events' ? parsed.events : [];
    if (event?.type !== 'command') return event;
    return harness.channel.showCommand?.(harness.access, event, signal);
  };

  it('makes one message with one id of a message, however often and under whichever event it comes', async () => {
    const ids = await Promise.all(
      [1, 1, 2].map(async (eventNumber) => {
        const event = await messageOf(harness.request({ id: 7, text: 'hello there', eventNumber }));
        expect(event).toMatchObject({ type: 'message', text: 'hello there' });
        return event?.type === 'message' ? [event.channelId, event.messageId, event.eventId] : [];
      }),
    );
    expect(ids[0]).toEqual(ids[1]);
    expect(ids[2]?.slice(0, 2)).toEqual(ids[0]?.slice(0, 2));
    // Some platforms number messages only, and not what they send.
    if (ids[0]?.[2] !== null) expect(ids[2]?.[2]).not.toBe(ids[0]?.[2]);
    const other = await messageOf(harness.request({ id: 8, text: 'hello there', eventNumber: 3 }));
    expect(other).toMatchObject({ type: 'message' });
    expect(other).not.toMatchObject({ messageId: ids[0]?.[1] });
  });

  it('cuts a long text into parts within its limit that lose no word', () => {
    const { channel } = harness;
    const words = Array.from({ length: 9_000 }, (_, index) => `w${index}`);
    const parts = channel.split(words.join(' '));
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(part.length).toBeLessThanOrEqual(channel.capabilities.maxCharacters);
    expect(parts.join(' ').split(/\s+/)).toEqual(words);
    expect(channel.split('short')).toEqual(['short']);
  });

  it('offers what its capabilities say, and nothing else', () => {
    const { capabilities: can, ...channel } = harness.channel;
    expect(channel.react !== undefined).toBe(can.reactions);
    expect(channel.typing !== undefined).toBe(can.typing);
    expect(channel.hasOwnAuthor !== undefined).toBe(can.editsKeepAuthor === false);
    if (can.editsKeepAuthor === false) expect(can.edit).toBe(true);
    if (can.stream === 'native') expect(channel.openStream).toBeDefined();
    if (can.stream === 'none') expect(channel.openStream).toBeUndefined();
    // What a konstruct.yaml may ask for.
    expect(channel.openStream !== undefined).toBe(harness.definition.ownStream === true);
    expect(channel.fetchFile !== undefined).toBe(can.files.incoming !== null);
    expect(channel.upload !== undefined).toBe(can.files.outgoing !== null);
    if (can.stream === 'edits') expect(can.edit).toBe(true);
    expect(channel.handshake !== undefined).toBe(harness.definition.webhook.hasHandshake === true);
  });

  it(`makes of any markdown a text within its limits that loses no word and calls upon nobody (${FORMATTED} texts)`, () => {
    const { channel, pingAttempts } = harness;
    const random = seededRandom(23);
    for (let round = 0; round < FORMATTED; round += 1) {
      const markdown = randomMarkdown(random, pingAttempts);
      // What stands behind a fence at the beginning of a line names a language: it need not be shown, or in each part.
      const fences = markdown.match(/^(?:[ \t>]|[-*+][ \t]|\d+[.)][ \t])*(?:`{3}|~{3}).*$/gm) ?? [];
      const named = new Set(fences.flatMap(wordsOf));
      const words = wordsOf(markdown).filter((word) => !named.has(word));
      const formatted = channel.split(markdown).map((part) => channel.format(part));
      for (const { text } of formatted)
        expect(text.length, markdown).toBeLessThanOrEqual(channel.capabilities.maxCharacters);
      const all = formatted.map(({ text }) => text).join('\n');
      expect(
        wordsOf(all).filter((word) => !named.has(word)),
        markdown,
      ).toEqual(words);
      for (const each of formatted) expect(harness.pings(each), markdown).toEqual([]);
    }
    for (const attempt of pingAttempts) expect(harness.pings(channel.format(attempt)), attempt).toEqual([]);
  });

  it('says who it is on the platform', async () => {
    const { channel, access, otherAccess } = harness;
    const [own, other] = [
      await channel.identify(access, signal),
      await channel.identify(otherAccess, signal),
    ];
    expect(own.externalId).toBe(access.externalId);
    expect(other.externalId).toBe(otherAccess.externalId);
    expect(own.agentUserId).not.toBe('');
  });

  it('posts, and does with what it posted what its capabilities say', async () => {
    const { channel, access, target } = harness;
    const { capabilities } = channel;
    const { messageId } = await post('**One** <word> & `two`', 'delivery-7');
    expect(harness.standing().get(messageId)).toContain('One');
    if (capabilities.edit) {
      await edit(messageId, 'Three');
      await edit(messageId, 'Three');
      expect(harness.standing().get(messageId)).toBe('Three');
    }
    const { messageId: unwanted } = await post('unwanted');
    if (capabilities.remove) {
      const removal = { target, messageId: unwanted };
      await channel.remove(access, removal, signal);
      await channel.remove(access, removal, signal);
      expect(harness.standing().has(unwanted)).toBe(false);
    }
    const found = await channel.findByMarker(access, target, marker('delivery-7'), signal);
    expect(found).toEqual(capabilities.findByMarker ? { messageId } : null);
    const thread = await channel.fetchThread(access, target, 10, signal);
    if (!capabilities.threads) expect(thread).toBeNull();
  });

  it('waits no longer for a limit than it may, and says for how long the platform wants to be left alone', async () => {
    const fresh = await start();
    try {
      fresh.hurt('post', 'limit');
      const { channel, access, target } = fresh;
      const error = await channel
        .post(access, { target, markdown: 'limited', marker: marker('l') }, signal)
        .catch((refused: unknown) => refused);
      expect(isKonstructError(error, 'platform_rate_limited')).toBe(true);
      expect(isKonstructError(error) && error.retryAfterMs).toBeGreaterThan(3_000_000);
      expect([...fresh.standing().values()]).not.toContain('limited');
    } finally {
      await fresh.close();
    }
  });

  it.each([
    ['post', 'cut_after'],
    ['post', 'silent_after'],
    ['post', 'error'],
  ] as const)(
    'after a %s with %s does not send again, and says that nobody knows',
    async (operation, trouble) => {
      const text = `unknown ${operation} ${trouble}`;
      const fresh = await start();
      try {
        fresh.hurt(operation, trouble);
        const { channel, access, target } = fresh;
        const error = await channel
          .post(access, { target, markdown: text, marker: marker('u') }, signal)
          .catch((refused: unknown) => refused);
        expect(isKonstructError(error, 'platform_unavailable')).toBe(true);
        expect(isKonstructError(error) && error.details.outcomeUnknown).toBe(true);
        const standing = [...fresh.standing().values()].filter((each) => each === text);
        expect(standing).toHaveLength(trouble === 'error' ? 0 : 1);
      } finally {
        await fresh.close();
      }
    },
  );

  it.each(['cut_before', 'cut_after', 'error'] as const)('repeats an edit after %s', async (trouble) => {
    const fresh = await start();
    try {
      const { channel, access, target } = fresh;
      if (!channel.capabilities.edit) return;
      const { messageId } = await channel.post(
        access,
        { target, markdown: 'before', marker: marker('e') },
        signal,
      );
      const operation: Operation = 'edit';
      fresh.hurt(operation, trouble);
      await channel.edit(access, { target, messageId, markdown: 'after', marker: marker('e') }, signal);
      expect(fresh.standing().get(messageId)).toBe('after');
    } finally {
      await fresh.close();
    }
  });

  it('sends nothing once it is told not to, or is cancelled', async () => {
    const { channel, access, target } = harness;
    const stopped = { target, markdown: 'stopped', marker: marker('s'), mayStillSend: () => false };
    await expect(channel.post(access, stopped, signal)).rejects.toMatchObject({ code: 'lease_lost' });
    const cancelled = channel.post(
      access,
      { target, markdown: 'stopped', marker: marker('s') },
      AbortSignal.abort(),
    );
    await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
    expect([...harness.standing().values()]).not.toContain('stopped');
  });

  it('writes with the credentials of the connection it is given, also side by side with another', async () => {
    const fresh = await start();
    try {
      const { channel, access, target, otherAccess, otherTarget } = fresh;
      const both = Array.from({ length: 3 }, (_, index) => [
        channel.post(access, { target, markdown: `own ${index}`, marker: marker(`o${index}`) }, signal),
        channel.post(
          otherAccess,
          { target: otherTarget, markdown: `other ${index}`, marker: marker(`t${index}`) },
          signal,
        ),
      ]);
      await Promise.all(both.flat());
      const texts = [...fresh.standing().values()];
      expect(texts.filter((text) => text.startsWith('own'))).toHaveLength(3);
      expect(texts.filter((text) => text.startsWith('other'))).toEqual([]);
      const crossed = channel.post(otherAccess, { target, markdown: 'crossed', marker: marker('c') }, signal);
      await expect(crossed).rejects.toMatchObject({ code: 'platform_rejected' });
    } finally {
      await fresh.close();
    }
  });

  it('refuses without credentials, and names none in what it says', async () => {
    const { channel, target, refused } = harness;
    const message = { target, markdown: 'x', marker: marker('x') };
    const error = await channel.post(refused.access, message, signal).catch((thrown: unknown) => thrown);
    expect(isKonstructError(error, 'platform_rejected')).toBe(true);
    const said = isKonstructError(error)
      ? JSON.stringify([error.message, error.details, String(error.cause)])
      : '';
    expect(said).not.toContain(refused.secret);
  });
});

function mutated(value: string, random: () => number): string {
  const place = Math.floor(random() * value.length);
  switch (Math.floor(random() * 4)) {
    case 0:
      return value.slice(0, place) + value.slice(place + 1);
    case 1:
      return `${value.slice(0, place)}${String.fromCharCode(33 + Math.floor(random() * 14))}${value.slice(place)}`;
    case 2: {
      const other = String.fromCharCode(value.charCodeAt(place) ^ (1 + Math.floor(random() * 15)));
      return value.slice(0, place) + other + value.slice(place + 1);
    }
    default:
      return random() < 0.5 ? `${value}0` : '';
  }
}

function wordsOf(text: string): readonly string[] {
  return text.match(/w\d+w/g) ?? [];
}

/** Words with numbers, among everything that markdown or a platform could mistake for something else. */
function randomMarkdown(random: () => number, pingAttempts: readonly string[]): string {
  const marks = [
    ...['*', '**', '_', '__', '~~', '`', '``', '```', '\n```\n', '```js\n', '[', '](https://a.example/b_c)'],
    ...[
      '](',
      ')',
      '<',
      '>',
      '&',
      '&lt;',
      '\\',
      '|',
      '\n| a | b |\n|---|---|\n',
      '\n# ',
      '\n- ',
      '\n1. ',
      '\n> ',
    ],
    ...[
      '\n\n',
      '\n',
      ' ',
      '  ',
      '!',
      '![',
      '#',
      '@',
      '<b>',
      '</b>',
      '<script>',
      'é',
      '😀',
      '\u200b',
      '\t',
      '$',
      '{',
      '}',
    ],
    ...pingAttempts,
  ];
  const length = 1 + Math.floor(random() ** 4 * 400);
  let markdown = '';
  for (let piece = 0; piece < length; piece += 1) {
    const mark = marks[Math.floor(random() * marks.length)] ?? '';
    const repeated = random() < 0.02 ? 40 : 1;
    markdown += random() < 0.5 ? mark.repeat(repeated) : ` w${piece}w `;
  }
  return markdown;
}
