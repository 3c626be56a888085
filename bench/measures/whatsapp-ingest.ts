import { createHmac } from 'node:crypto';
import { parseWhatsAppRequest } from '../../src/channels/whatsapp/parse.ts';
import { verifyWhatsAppRequest } from '../../src/channels/whatsapp/verify.ts';

export interface WhatsAppIngestFigures {
  readonly bodyBytes: number;
  readonly perSecond: number;
}

/** Requests a second that one core checks and reads: a text with its sender and what it replies to, about 900 bytes. */
export function measureWhatsAppIngest(rounds = 50_000): WhatsAppIngestFigures {
  const secret = 'f'.repeat(32);
  const value = {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '15550783881', phone_number_id: '106540352242922' },
    contacts: [{ profile: { name: 'Mara' }, wa_id: '16505551234', user_id: 'US.13491208655302741918' }],
    messages: [
      {
        context: { from: '15550783881', id: 'wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MTE5MjY0MUQ5QjA3MkM1Q0QA' },
        from: '16505551234',
        from_user_id: 'US.13491208655302741918',
        id: 'wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=',
        timestamp: '1749416383',
        type: 'text',
        text: { body: `Does it come in another colour? ${'word '.repeat(40)}` },
      },
    ],
  };
  const entry = [{ id: '102290129340398', changes: [{ value, field: 'messages' }] }];
  const body = Buffer.from(JSON.stringify({ object: 'whatsapp_business_account', entry }));
  const signature = createHmac('sha256', secret).update(body).digest('hex');
  const request = { path: '/whatsapp', headers: { 'x-hub-signature-256': `sha256=${signature}` }, body };
  const work = (): void => {
    verifyWhatsAppRequest(request, secret);
    parseWhatsAppRequest(request);
  };
  for (let round = 0; round < rounds / 4; round += 1) work();
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) work();
  const { user, system } = process.cpuUsage(before);
  return { bodyBytes: request.body.length, perSecond: Math.round((rounds * 1_000_000) / (user + system)) };
}

if (import.meta.main) console.table(measureWhatsAppIngest());
