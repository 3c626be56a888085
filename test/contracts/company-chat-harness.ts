import { channels } from '../../examples/custom-channel/company-chat.ts';
import type { ChannelDefinition } from '../../src/core/channel-definition.ts';
import {
  companyChatHeaders,
  companyChatRequest,
  startCompanyChat,
} from '../support/company-chat/start-company-chat.ts';
import { type ChannelHarness, impatient, type Operation, type Trouble } from './channel-harness.ts';

const methods = { post: 'POST', edit: 'PUT' } as const;
const SECRET = 'chat-signing-secret';

/** The example for those who write a channel keeps the contract itself. */
export async function startCompanyChatHarness(): Promise<ChannelHarness> {
  const definition = channels[0] as ChannelDefinition;
  const chat = await startCompanyChat({
    'token-acme': { name: 'acme', rooms: ['acme-room'] },
    'token-globex': { name: 'globex', rooms: ['globex-room'] },
  });
  const channel = definition.open(impatient(chat.apiUrl));
  const nowMs = Date.now();
  const access = (company: string, token: string) => ({
    connectionId: company,
    externalId: company,
    credentials: { token, signingSecret: SECRET },
  });
  return {
    definition,
    channel,
    access: access('acme', 'token-acme'),
    target: { channelId: 'acme-room', threadId: null },
    otherAccess: access('globex', 'token-globex'),
    otherTarget: { channelId: 'globex-room', threadId: null },
    refused: { access: access('acme', 'token-bad'), secret: 'token-bad' },
    bodies: [
      {
        kind: 'message',
        sample: {
          eventId: 'e1',
          id: 'm1',
          company: 'acme',
          room: 'acme-room',
          thread: 't1',
          person: { id: 'p1', name: 'Mara' },
          text: 'hello',
          sentAtMs: nowMs,
          direct: false,
          mentionsAgent: true,
        },
      },
    ],
    signed: ({ contentType, body }) => ({
      path: '/company-chat',
      headers: { ...companyChatHeaders(body, SECRET, nowMs), 'content-type': contentType },
      body,
    }),
    secret: SECRET,
    nowMs,
    signsBody: true,
    proof: ['x-chat-signature', 'x-chat-timestamp'],
    request: ({ id, text, eventNumber }) =>
      companyChatRequest(
        {
          eventId: `e${eventNumber}`,
          id: `m${id}`,
          company: 'acme',
          room: 'acme-room',
          person: { id: 'p1', name: 'Mara' },
          text,
          sentAtMs: nowMs,
        },
        SECRET,
        nowMs,
      ),
    pings: ({ text }) => text.match(/@all/g) ?? [],
    pingAttempts: ['@all', '**@all**'],
    hurt: (operation: Operation, trouble: Trouble) => chat.hurt(methods[operation], trouble),
    standing: () => new Map([...chat.standing('acme-room')].map(([id, { text }]) => [id, text])),
    async close() {
      channel.close();
      await chat.close();
    },
  };
}
