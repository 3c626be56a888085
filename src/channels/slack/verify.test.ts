import { describe, expect, it } from 'vitest';
import { seededRandom, signedSlackRequest, slackFixture } from '../../../test/support/slack-request.ts';
import type { ChannelRequest } from '../../core/channel.ts';
import { verifySlackRequest } from './verify.ts';

const secret = '8f742231b10e8888abcd99yyyzzz85a5';
const nowMs = 1_760_440_343_000;
const valid = signedSlackRequest(slackFixture('app-mention'), secret, nowMs);

function withHeader(name: string, value: string | readonly string[] | undefined): ChannelRequest {
  return { ...valid, headers: { ...valid.headers, [name]: value } };
}

function signature(): string {
  return String(valid.headers['x-slack-signature']);
}

function codeOf(request: ChannelRequest, atMs = nowMs, signingSecret = secret): string {
  try {
    verifySlackRequest(request, signingSecret, atMs);
    return 'accepted';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : `unexpected ${String(error)}`;
  }
}

describe('verifySlackRequest', () => {
  it('accepts what Slack’s documentation gives as an example', () => {
    const body =
      'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c';
    const request: ChannelRequest = {
      path: '/slack/events',
      headers: {
        'x-slack-request-timestamp': '1531420618',
        'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
      },
      body: Buffer.from(body),
    };
    expect(codeOf(request, 1_531_420_618_000)).toBe('accepted');
  });

  it('accepts a signed request, within 300 s of the clock in both directions', () => {
    expect(codeOf(valid)).toBe('accepted');
    expect(codeOf(valid, nowMs + 300_000)).toBe('accepted');
    expect(codeOf(valid, nowMs - 300_000)).toBe('accepted');
    expect(codeOf(valid, nowMs + 301_000)).toBe('signature_expired');
    expect(codeOf(valid, nowMs - 301_000)).toBe('signature_expired');
  });

  it('takes the bytes as they are, not as text', () => {
    const bytes = Buffer.from([0x7b, 0xff, 0xfe, 0x7d]);
    const signed = signedSlackRequest(bytes, secret, nowMs);
    expect(codeOf(signed)).toBe('accepted');
    // Decoded as UTF-8 both are the same two replacement characters.
    expect(codeOf({ ...signed, body: Buffer.from([0x7b, 0xfe, 0xff, 0x7d]) })).toBe('signature_invalid');
  });

  it.each([
    ['no signature', 'x-slack-signature', undefined, 'signature_missing'],
    ['an empty signature', 'x-slack-signature', '', 'signature_missing'],
    ['an empty list of signatures', 'x-slack-signature', [], 'signature_missing'],
    ['two signatures', 'x-slack-signature', [signature(), signature()], 'signature_invalid'],
    ['two signatures joined', 'x-slack-signature', `${signature()}, ${signature()}`, 'signature_invalid'],
    [
      'upper-case hex',
      'x-slack-signature',
      signature().toUpperCase().replace('V0', 'v0'),
      'signature_invalid',
    ],
    ['another version', 'x-slack-signature', signature().replace('v0', 'v1'), 'signature_invalid'],
    ['a signature too short', 'x-slack-signature', signature().slice(0, -1), 'signature_invalid'],
    ['a signature too long', 'x-slack-signature', `${signature()}0`, 'signature_invalid'],
    ['a line break after it', 'x-slack-signature', `${signature()}\n`, 'signature_invalid'],
    ['digits of another script', 'x-slack-signature', `v0=${'\u0131'.repeat(64)}`, 'signature_invalid'],
    ['no timestamp', 'x-slack-request-timestamp', undefined, 'signature_missing'],
    ['a timestamp that is no number', 'x-slack-request-timestamp', 'yesterday', 'signature_invalid'],
    ['a fractional timestamp', 'x-slack-request-timestamp', '1760440343.5', 'signature_invalid'],
    ['a negative timestamp', 'x-slack-request-timestamp', '-1760440343', 'signature_invalid'],
    ['an exponent', 'x-slack-request-timestamp', '1760440343e0', 'signature_invalid'],
    ['a padded timestamp', 'x-slack-request-timestamp', '01760440343', 'signature_invalid'],
    ['an endless timestamp', 'x-slack-request-timestamp', '9'.repeat(400), 'signature_invalid'],
    ['a timestamp of milliseconds', 'x-slack-request-timestamp', '176044034300', 'signature_expired'],
  ])('refuses %s', (_name, header, value, code) => {
    expect(codeOf(withHeader(header, value))).toBe(code);
  });

  it('accepts a header that comes as a list of one', () => {
    expect(codeOf(withHeader('x-slack-signature', [signature()]))).toBe('accepted');
  });

  it('refuses another secret, and everything without one', () => {
    expect(codeOf(valid, nowMs, 'another')).toBe('signature_invalid');
    expect(codeOf(signedSlackRequest(valid.body, '', nowMs), nowMs, '')).toBe('signing_secret_missing');
  });

  it('accepts none of 1,000 random changes of a valid request', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 1000; round += 1) {
      const changed = mutate(valid, random);
      expect(codeOf(changed), `round ${round}`).not.toBe('accepted');
    }
  });
});

/** Changes one byte or character of the body, the signature or the timestamp, or inserts or removes one. */
function mutate(request: ChannelRequest, random: () => number): ChannelRequest {
  const part = Math.floor(random() * 3);
  if (part === 0) return { ...request, body: mutateBytes(request.body, random) };
  const name = part === 1 ? 'x-slack-signature' : 'x-slack-request-timestamp';
  const value = mutateBytes(Buffer.from(String(request.headers[name]), 'latin1'), random).toString('latin1');
  return { ...request, headers: { ...request.headers, [name]: value } };
}

function mutateBytes(bytes: Buffer, random: () => number): Buffer {
  const index = Math.floor(random() * bytes.length);
  const byte = Math.floor(random() * 256);
  const kind = random();
  if (kind < 0.2) return Buffer.concat([bytes.subarray(0, index), bytes.subarray(index + 1)]);
  if (kind < 0.4) return Buffer.concat([bytes.subarray(0, index), Buffer.of(byte), bytes.subarray(index)]);
  const changed = Buffer.from(bytes);
  changed[index] = byte === bytes[index] ? byte ^ 0x20 : byte;
  return changed;
}
