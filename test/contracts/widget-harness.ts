import { signIdentity } from '../../src/channels/widget/identity-token.ts';
import { widget } from '../../src/channels/widget/index.ts';
import { createMemoryMailbox } from '../support/widget/memory-mailbox.ts';
import { widgetBodies } from './bodies/widget-bodies.ts';
import { type ChannelHarness, impatient } from './channel-harness.ts';

const secret = 'a-secret-of-the-site-that-is-long-enough';
const otherSecret = 'another-secret-of-another-site-as-long';
const target = { channelId: 'v:mara', threadId: null };
const otherTarget = { channelId: 'v:tomas', threadId: null };

export async function startWidgetHarness(): Promise<ChannelHarness> {
  const mailbox = createMemoryMailbox();
  const access = { connectionId: 'c1', externalId: 'acme-site', credentials: { secret } };
  const otherAccess = {
    connectionId: 'c2',
    externalId: 'globex-site',
    credentials: { secret: otherSecret },
  };
  const box = { connectionId: 'c1', channelId: target.channelId };
  mailbox.open(box);
  mailbox.open({ connectionId: 'c2', channelId: otherTarget.channelId });
  const nowMs = Date.now();
  const identity = { subject: 'mara', name: 'Mara', isAnonymous: false, expiresAtMs: nowMs + 3_600_000 };
  const authorization = `Bearer ${signIdentity(identity, secret)}`;
  return {
    definition: widget,
    channel: widget.open({ ...impatient(''), mailbox }),
    access,
    target,
    otherAccess,
    otherTarget,
    bodies: widgetBodies,
    signed: ({ contentType, body }) => ({
      path: '/widget',
      headers: { 'content-type': contentType, authorization },
      body,
      receivedAtMs: nowMs,
    }),
    secret,
    nowMs,
    signsBody: false, // TLS vouches for the body
    proof: ['authorization'],
    request: ({ id, text, eventNumber }) => ({
      path: '/widget',
      headers: { 'content-type': 'application/json', authorization },
      body: Buffer.from(
        JSON.stringify({ id: `message-${id}`, text, attempt: eventNumber, somethingNew: { of: ['later'] } }),
      ),
      receivedAtMs: nowMs,
    }),
    refused: {
      access: { ...access, credentials: { secret: 'too short a secret' } },
      secret: 'too short a secret',
    },
    pings: () => [], // nobody can be called upon: there is one reader
    pingAttempts: ['@everyone'],
    hurt: (operation, trouble) => mailbox.hurt(operation, trouble),
    standing: () => new Map([...mailbox.standing(box)].map(([id, { markdown }]) => [id, markdown])),
    async close() {},
  };
}
