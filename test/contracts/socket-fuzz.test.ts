import { expect, it } from 'vitest';
import { parseDispatch } from '../../src/channels/discord/gateway/parse-dispatch.ts';
import { placeOf } from '../../src/channels/discord/ids.ts';
import { parseEvent } from '../../src/channels/mattermost/stream/parse-event.ts';
import { parseSlackRequest } from '../../src/channels/slack/parse.ts';
import { parseSocketMessage } from '../../src/channels/slack/socket-mode/parse-socket-message.ts';
import type { ChannelEvent } from '../../src/core/channel-event.ts';
import { discordDispatches } from './bodies/discord-bodies.ts';
import { mattermostEvents, postsWithin } from './bodies/mattermost-bodies.ts';
import { slackEnvelopes } from './bodies/slack-bodies.ts';
import type { WireBody } from './bodies/wire-body.ts';
import { unstorable, whyNot } from './check-events.ts';
import { fuzzJson } from './fuzz-json.ts';

const nowMs = 1_760_000_000_000;
const id = (letter: string) => letter.repeat(26);

/** What a socket's listener throws nobody catches: the whole process would end. */
function fuzz(
  bodies: readonly WireBody[],
  read: (body: WireBody, json: string) => readonly ChannelEvent[],
): readonly string[] {
  const tried = new Set<string>();
  return bodies.flatMap((body) =>
    fuzzJson(body, (json) => whyNot(() => unstorable(read(body, json))), tried),
  );
}

/** As the sockets read a message: what is no object is none. */
function recordOf(json: string): Readonly<Record<string, unknown>> {
  const value: unknown = parsed(json);
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isRecord ? (value as Readonly<Record<string, unknown>>) : {};
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

it('whatever comes over Slack’s socket is read or left alone', () => {
  const found = fuzz(slackEnvelopes, (_body, json) => {
    const message = parseSocketMessage(json);
    if (message.kind !== 'envelope') return [];
    const request = parseSlackRequest(message.request);
    return request.kind === 'events' ? request.events : [];
  });
  expect(found).toEqual([]);
});

it('whatever Discord’s gateway dispatches is read or ignored', () => {
  const own = { userId: '1100000000000000001', roleIds: new Set(['1100000000000000002']) };
  const places = [{ id: '1100000000000000020', type: 0 }, { id: '1100000000000000020', type: 1 }, null].map(
    placeOf,
  );
  const found = fuzz(discordDispatches, ({ kind }, json) => {
    const data = recordOf(json);
    return places.flatMap((place) => parseDispatch(kind, data, { place, own, nowMs }));
  });
  expect(found).toEqual([]);
});

it('whatever comes over Mattermost’s socket is read or ignored', async () => {
  const waiting: (() => Promise<void>)[] = [];
  const found: string[] = [];
  const setting = { ownUserId: id('a'), nowMs, scopeOf: async () => 'direct' as const, note: () => {} };
  const later = (json: string, message: Readonly<Record<string, unknown>>): null => {
    waiting.push(async () => {
      const result = await parseEvent(message, setting).catch((error: unknown) => error as Error);
      const wrong =
        result instanceof Error
          ? whyNot(() => {
              throw result;
            })
          : result && unstorable([result.event]);
      if (wrong !== null) found.push(`${wrong}\n${json.slice(0, 2_000)}`);
      if (result !== null && !(result instanceof Error) && !Number.isSafeInteger(result.atMs))
        found.push(json);
    });
    return null;
  };
  const tried = new Set<string>();
  for (const body of mattermostEvents) fuzzJson(body, (json) => later(json, recordOf(json)), tried);
  for (const body of postsWithin)
    fuzzJson(
      body,
      (json) =>
        later(json, {
          event: body.kind,
          data: { [body.field]: json, channel_type: 'D' },
          broadcast: { channel_id: id('c') },
        }),
      tried,
    );
  for (const run of waiting) await run();
  expect(found).toEqual([]);
});
