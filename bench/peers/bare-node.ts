import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { announce, type ContenderOptions } from '../support/contender-process.ts';
import { SIGNING_SECRET } from '../support/events.ts';

/** The least that does the job: `node:http`, `fetch`, no framework, no database. What is in memory at a crash is gone. */
const options = JSON.parse(process.argv[2] ?? '{}') as ContenderOptions;

function isSigned(headers: IncomingHttpHeaders, body: Buffer): boolean {
  const timestamp = String(headers['x-slack-request-timestamp']);
  if (Math.abs(Date.now() / 1_000 - Number(timestamp)) > 300) return false;
  const expected = createHmac('sha256', SIGNING_SECRET).update(`v0:${timestamp}:`).update(body).digest('hex');
  const given = Buffer.from(String(headers['x-slack-signature']));
  const wanted = Buffer.from(`v0=${expected}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

async function callJson(url: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer key' },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

async function answer(event: { channel: string; ts: string; text: string }): Promise<void> {
  const { channel, ts, text } = event;
  const placeholder = await callJson(`${options.slackApiUrl}chat.postMessage`, {
    channel,
    thread_ts: ts,
    text: 'Thinking…',
  });
  const completion = await callJson(`${options.modelUrl}/chat/completions`, {
    model: 'bench',
    messages: [{ role: 'user', content: text }],
  });
  const [choice] = completion.choices as { message: { content: string } }[];
  await callJson(`${options.slackApiUrl}chat.update`, {
    channel,
    ts: placeholder.ts,
    text: choice?.message.content,
  });
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const body = Buffer.concat(chunks);
    if (!isSigned(request.headers, body)) {
      response.writeHead(401).end();
      return;
    }
    const { event } = JSON.parse(body.toString('utf8'));
    response.writeHead(200, { 'content-length': 0 }).end();
    if (!options.acksOnly) answer(event).catch((error: unknown) => console.error(error));
  });
});
server.listen(options.port, '127.0.0.1', () =>
  announce((server.address() as AddressInfo).port, async () => server.closeAllConnections()),
);
