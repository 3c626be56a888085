import { parseTelegramRequest } from '../../src/channels/telegram/parse.ts';
import { verifyTelegramRequest } from '../../src/channels/telegram/verify.ts';

export interface TelegramIngestFigures {
  readonly bodyBytes: number;
  readonly perSecond: number;
}

/** Requests a second that one core checks and reads: an update with a mention, a reply and its sender, about 900 bytes. */
export function measureTelegramIngest(rounds = 50_000): TelegramIngestFigures {
  const secret = 'f'.repeat(64);
  const from = { id: 11, is_bot: false, first_name: 'Mara', username: 'mara_k', language_code: 'en' };
  const chat = { id: -1_001_234_567_890, type: 'supergroup', title: 'Acme' };
  const replied = {
    message_id: 41,
    from,
    chat,
    date: 1_700_000_000,
    text: 'The printer says PC LOAD LETTER.',
  };
  const text = `@ada_acme_bot any idea? ${'word '.repeat(40)}`;
  const entities = [{ type: 'mention', offset: 0, length: 13 }];
  const message = {
    message_id: 42,
    from,
    chat,
    date: 1_700_000_001,
    text,
    entities,
    reply_to_message: replied,
  };
  const request = {
    path: '/telegram',
    headers: { 'content-type': 'application/json', 'x-telegram-bot-api-secret-token': secret },
    body: Buffer.from(JSON.stringify({ update_id: 1, message })),
  };
  const work = (): void => {
    verifyTelegramRequest(request, secret);
    parseTelegramRequest(request);
  };
  for (let round = 0; round < rounds / 4; round += 1) work();
  const before = process.cpuUsage();
  for (let round = 0; round < rounds; round += 1) work();
  const { user, system } = process.cpuUsage(before);
  return { bodyBytes: request.body.length, perSecond: Math.round((rounds * 1_000_000) / (user + system)) };
}

if (import.meta.main) console.table(measureTelegramIngest());
