import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../test/support/silent-log.ts';
import {
  acme,
  globex,
  startTestSimulator,
  type TestSimulator,
} from '../../../test/support/simulator/start-test-simulator.ts';
import type { Channel } from '../../core/channel.ts';
import type { KonstructError } from '../../core/errors.ts';
import type { ConnectionAccess, FetchedFile } from '../../core/outbound.ts';
import { defaultSeeds } from '../../simulator/default-seeds.ts';
import { systemTime } from '../../system-time.ts';
import { createSlackChannel } from './index.ts';
import { readInvisibleMark, withInvisibleMark } from './invisible-mark.ts';
import { isSlackAddress } from './slack-address.ts';

const never = new AbortController().signal;
const access: ConnectionAccess = {
  connectionId: 'c1',
  externalId: acme.workspaceId,
  credentials: { botToken: acme.token },
};
const report = Buffer.from('id,amount\n1,2\n');

let slack: TestSimulator;
let channel: Channel;
beforeEach(async () => {
  slack = await startTestSimulator();
  channel = createSlackChannel({ apiUrl: slack.server.apiUrl, ...systemTime, log: silentLog });
});
afterEach(async () => {
  channel.close();
  await slack.stop();
});

/** Somebody attaches a file; its id. */
async function attach(name: string, mediaType: string, content: Uint8Array): Promise<string> {
  const sent = await slack.simulator.say({
    workspaceId: acme.workspaceId,
    channelId: acme.general,
    userId: acme.mara,
    text: 'see here',
    files: [{ name, mediaType, sizeBytes: content.length, content }],
  });
  const stored = slack.simulator.workspaces.get(acme.workspaceId)?.channels.get(acme.general)?.messages;
  return stored?.get(sent.ts)?.files[0]?.id ?? '';
}

const fetchFile = (externalId: string, maxBytes = 1_000, as = access): Promise<FetchedFile> => {
  const file = { name: 'x', mediaType: 'application/octet-stream', sizeBytes: null, externalId };
  return channel.fetchFile?.(as, file, { maxBytes }, never) as Promise<FetchedFile>;
};

describe('fetchFile', () => {
  it('gives what was attached, byte for byte, with its type', async () => {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, index) => index));
    const id = await attach('all.bin', 'image/png', bytes);
    const { mediaType, content } = await fetchFile(id);
    expect(mediaType).toBe('image/png');
    expect(Buffer.from(content).equals(bytes)).toBe(true);
    expect((await fetchFile(await attach('a.html', 'text/html', report))).mediaType).toBe('text/html');
  });

  it('refuses what is too large, by what Slack says and by what comes', async () => {
    const id = await attach('big.csv', 'text/csv', Buffer.alloc(2_000));
    await expect(fetchFile(id)).rejects.toMatchObject({ code: 'attachment_too_large' });
    const lying = await slack.simulator.say({
      workspaceId: acme.workspaceId,
      channelId: acme.general,
      userId: acme.mara,
      text: 'x',
      files: [{ name: 'b', mediaType: 'text/csv', sizeBytes: 10, content: Buffer.alloc(2_000) }],
    });
    const stored = slack.simulator.workspaces.get(acme.workspaceId)?.channels.get(acme.general)?.messages;
    const lyingId = stored?.get(lying.ts)?.files[0]?.id ?? '';
    await expect(fetchFile(lyingId)).rejects.toMatchObject({ code: 'attachment_too_large' });
  });

  it('is not fooled by the page where people sign in, which comes in place of a file without the scope', async () => {
    const id = await attach('a.csv', 'text/csv', report);
    const html = await attach('a.html', 'text/html', report);
    const [seed] = defaultSeeds;
    if (seed === undefined) throw new Error('There is no seed.');
    // `files.info` has been answered; the scope goes before the file is fetched.
    slack.simulator.subscribe((event) => {
      if (event.type === 'api.called' && event.call.method === 'files.info')
        slack.simulator.addWorkspace({ ...seed, scopes: ['chat:write'] });
    });
    for (const file of [id, html]) {
      slack.simulator.addWorkspace(seed);
      await expect(fetchFile(file)).rejects.toMatchObject({
        code: 'platform_rejected',
        details: { platformError: 'missing_scope', needed: 'files:read' },
      });
    }
  });

  it('does not find what is not there, what has no file behind it, and what another company has', async () => {
    const id = await attach('a.csv', 'text/csv', report);
    const other = {
      connectionId: 'c2',
      externalId: globex.workspaceId,
      credentials: { botToken: globex.token },
    };
    for (const [file, as] of [
      ['F0NOWHERE', access],
      ['../auth.test', access],
      [id, other],
    ] as const)
      await expect(fetchFile(file, 1_000, as)).rejects.toMatchObject({
        code: 'platform_rejected',
        details: { platformError: 'file_not_found' },
      });
  });

  it('sends its token to no host but Slack’s, wherever a file is said to be', async () => {
    const asked: unknown[] = [];
    const elsewhere = createServer((request, response) => {
      asked.push(request.headers);
      response.end('x');
    });
    const foreign = await listen(elsewhere);
    const api = createServer((_request, response) => {
      const file = { size: 1, mimetype: 'text/plain', url_private: `${foreign}/f`, is_external: false };
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ ok: true, file }));
    });
    const lying = createSlackChannel({ apiUrl: `${await listen(api)}/api/`, ...systemTime, log: silentLog });
    try {
      const file = { name: 'x', mediaType: 'text/plain', sizeBytes: 1, externalId: 'F1' };
      await expect(lying.fetchFile?.(access, file, { maxBytes: 10 }, never)).rejects.toMatchObject({
        details: { platformError: 'address_not_slacks' },
      });
      expect(asked).toEqual([]);
    } finally {
      lying.close();
      for (const server of [elsewhere, api]) server.close();
    }
  });
});

describe('upload', () => {
  const target = { channelId: acme.general, threadId: null as string | null };
  const upload = (deliveryId: string, threadId: string | null) =>
    channel.upload?.(
      access,
      {
        target: { ...target, threadId },
        name: 'report.csv',
        mediaType: 'text/csv',
        content: report,
        marker: { deliveryId },
      },
      never,
    ) as Promise<{ messageId: string }>;

  it('shares the file in the thread, and says which message it is', async () => {
    const root = await slack.simulator.say({
      workspaceId: acme.workspaceId,
      channelId: acme.general,
      userId: acme.mara,
      text: 'the report, please',
    });
    const { messageId } = await upload('4711', root.ts);
    const [, message] = slack.simulator.messages(acme.workspaceId, acme.general, root.ts);
    expect(message).toMatchObject({
      messageId,
      isAgent: true,
      files: [{ name: 'report.csv', mediaType: 'text/csv', sizeBytes: report.length }],
    });
    const stored = slack.simulator.workspaces.get(acme.workspaceId)?.channels.get(acme.general)?.messages;
    const id = stored?.get(messageId)?.files[0]?.id ?? '';
    expect(Buffer.from((await fetchFile(id)).content).equals(report)).toBe(true);
  });

  it('is found again by its marker when nobody knows whether it arrived', async () => {
    const fault = { kind: 'api_cut_after', method: 'files.completeUploadExternal', remaining: 1 } as const;
    slack.simulator.faults.add(fault);
    await expect(upload('4712', null)).rejects.toMatchObject({
      code: 'platform_unavailable',
      details: { outcomeUnknown: true },
    });
    const [only, ...more] = slack.simulator
      .messages(acme.workspaceId, acme.general)
      .filter(({ files }) => files.length > 0);
    expect(more).toEqual([]);
    const find = (deliveryId: string) => channel.findByMarker(access, target, { deliveryId }, never);
    expect(await find('4712')).toEqual({ messageId: only?.messageId });
    expect(await find('4713')).toBeNull();
  });

  it('that fails before it is shared has shown nothing, and is known to', async () => {
    const fault = {
      kind: 'api_error',
      error: 'internal_error',
      method: 'files.getUploadURLExternal',
    } as const;
    slack.simulator.faults.add(fault);
    const error = await upload('4714', null).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'platform_unavailable' });
    expect((error as KonstructError).details).not.toHaveProperty('outcomeUnknown');
    expect(slack.simulator.messages(acme.workspaceId, acme.general)).toEqual([]);
  });
});

describe('an invisible mark', () => {
  it('is read as it was written, and changes nothing that people see', () => {
    for (const word of ['', '1', '4711', 'command:12.34', 'ü']) {
      const marked = withInvisibleMark('report.csv', word);
      expect(readInvisibleMark(marked)).toBe(word);
      expect(marked.replaceAll(/[\u200b-\u200d\u2060-\u2063]/g, '')).toBe('report.csv');
    }
    for (const text of ['', 'report.csv', '\u2063', '\u2063\u200b\u2063', '\u200b\u200c'])
      expect(readInvisibleMark(text)).toBeNull();
  });
});

describe('an address', () => {
  it('is Slack’s by its host alone', () => {
    const api = 'https://slack.com/api/';
    for (const address of [
      'https://files.slack.com/x',
      'https://hooks.slack.com/x',
      'https://acme.slack.com/x',
    ])
      expect(isSlackAddress(address, api), address).toBe(true);
    for (const address of [
      'http://files.slack.com/x',
      'https://files.slack.com:444/x',
      'https://files.slack.com.evil.example/x',
      'https://evilslack.com/x',
      'https://slack.com@evil.example/x',
      'https://u:p@files.slack.com/x',
      'file:///etc/passwd',
      'x',
      '',
    ])
      expect(isSlackAddress(address, api), address).toBe(false);
  });
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
