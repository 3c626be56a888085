import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import type { ChannelRequest } from '../../src/core/channel.ts';

const FIXTURES = new URL('../fixtures/slack/', import.meta.url);

/** Names of the recorded shapes of Slack's events, without `.json`. */
export function slackFixtureNames(): readonly string[] {
  return readdirSync(FIXTURES)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length));
}

/** A fixture's JSON text, as Slack sends it. */
export function slackFixture(name: string): string {
  return readFileSync(new URL(`${name}.json`, FIXTURES), 'utf8');
}

/** A request as Slack makes it, signed. */
export function signedSlackRequest(
  body: string | Buffer,
  signingSecret: string,
  nowMs: number,
): ChannelRequest {
  const bytes = Buffer.from(body);
  const timestamp = String(Math.floor(nowMs / 1000));
  const hmac = createHmac('sha256', signingSecret).update(`v0:${timestamp}:`).update(bytes);
  return {
    path: '/slack/events',
    headers: {
      'content-type': 'application/json',
      'x-slack-request-timestamp': timestamp,
      'x-slack-signature': `v0=${hmac.digest('hex')}`,
    },
    body: bytes,
  };
}

/** A generator of numbers in [0, 1) that repeats itself for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
