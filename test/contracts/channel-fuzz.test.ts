import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ChannelRequest } from '../../src/core/channel.ts';
import { encodeBody, type WireBody } from './bodies/wire-body.ts';
import type { ChannelHarness } from './channel-harness.ts';
import { harnesses } from './channel-harnesses.ts';
import { unstorable, whyNot } from './check-events.ts';
import { fuzzJson } from './fuzz-json.ts';

/** What is no JSON, no object or says nothing is malformed; all else is events that can be stored. */
describe.each(harnesses)('whatever comes to %s', (_type, start) => {
  let harness: ChannelHarness;
  beforeAll(async () => {
    harness = await start();
  });
  afterAll(() => harness.close());

  const read = (body: WireBody, json: string, { headers, path }: ChannelRequest): string | null => {
    const encoded = encodeBody(body, json);
    const request = {
      path,
      headers: { ...headers, 'content-type': encoded.contentType },
      body: encoded.body,
      receivedAtMs: harness.nowMs,
    };
    return whyNot(() => {
      const parsed = harness.channel.parse(request);
      return parsed.kind === 'events' ? unstorable(parsed.events) : null;
    });
  };

  it('is read or is malformed, and nothing that is read is beyond storing', () => {
    const found: string[] = [];
    const tried = new Set<string>();
    for (const body of harness.bodies) {
      const proof = harness.signed(encodeBody(body, JSON.stringify(body.sample)), body.path);
      expect(read(body, JSON.stringify(body.sample), proof), body.kind).toBeNull();
      found.push(...fuzzJson(body, (json) => read(body, json, proof), tried));
    }
    expect(found).toEqual([]);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect({}).not.toHaveProperty('polluted');
  });
});
