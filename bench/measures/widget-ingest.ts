import { signIdentity, verifyWidgetRequest } from '../../src/channels/widget/identity-token.ts';
import { parseWidgetRequest } from '../../src/channels/widget/parse.ts';

export interface WidgetIngestFigures {
  readonly bodyBytes: number;
  readonly perSecond: number;
}

/** Messages a second of a web chat's visitors that one core checks and reads: a token, and some 300 characters of text. */
export function measureWidgetIngest(rounds = 50_000): WidgetIngestFigures {
  const secret = 's'.repeat(44);
  const nowMs = 1_800_000_000_000;
  const identity = { subject: 'mara', name: 'Mara K.', isAnonymous: false, expiresAtMs: nowMs + 600_000 };
  const text = `Where is my order? ${'word '.repeat(56)}`;
  const request = {
    path: '/widget',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${signIdentity(identity, secret)}`,
    },
    body: Buffer.from(JSON.stringify({ id: '0b8f7c1e-6f5a-4c3e-9a55-2f9f3c1d7e10', text, attempt: 1 })),
    receivedAtMs: nowMs,
  };
  const work = (): void => {
    verifyWidgetRequest(request, secret, nowMs);
    parseWidgetRequest(request);
  };
  for (let round = 0; round < rounds / 4; round += 1) work();
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) work();
  const { user, system } = process.cpuUsage(before);
  return { bodyBytes: request.body.length, perSecond: Math.round((rounds * 1_000_000) / (user + system)) };
}

if (import.meta.main) console.table(measureWidgetIngest());
