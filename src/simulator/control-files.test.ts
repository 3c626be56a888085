import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import { acme, globex, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';
import type { FileResponse, MessageResponse } from './control-api.ts';

let test: TestSimulator;
beforeEach(async () => {
  test = await startTestSimulator();
});
afterEach(() => test.stop());

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAADklEQVR4nGP4z8AAQhAKAB37A/0kqxKpAAAAAElFTkSuQmCC',
  'base64',
);
const filesOf = (workspaceId: string) => `${test.server.url}/control/workspaces/${workspaceId}/files`;

function upload(name: string, content: Buffer | string, mediaType = 'text/csv'): Promise<Response> {
  const address = `${filesOf(acme.workspaceId)}?name=${encodeURIComponent(name)}`;
  const body = new Uint8Array(Buffer.from(content as string));
  return fetch(address, { method: 'POST', body, headers: { 'content-type': mediaType } });
}

function post(body: object): Promise<Response> {
  return fetch(
    `${test.server.url}/control/workspaces/${acme.workspaceId}/channels/${acme.support}/messages`,
    {
      method: 'POST',
      body: JSON.stringify({ userId: acme.mara, text: '', ...body }),
      headers: { 'content-type': 'application/json' },
    },
  );
}

describe('files that people attach', () => {
  it('reach the app with the message, and the app fetches them with its token', async () => {
    const uploaded = await upload('über uns.png', png, 'image/png');
    expect(uploaded.status).toBe(201);
    const { file } = (await uploaded.json()) as FileResponse;
    expect(file).toMatchObject({ name: 'über uns.png', mediaType: 'image/png', sizeBytes: png.length });
    const posted = await post({ fileIds: [file.id] });
    expect(((await posted.json()) as MessageResponse).message.files).toEqual([{ ...file, isKept: true }]);
    await expect.poll(() => test.receiver.received.length).toBe(1);
    expect(test.receiver.received[0]?.body.event).toMatchObject({
      type: 'message',
      subtype: 'file_share',
      files: [{ id: file.id, name: 'über uns.png', mimetype: 'image/png', size: png.length }],
    });
    const info = await test.client(acme.token).files.info({ file: file.id });
    const fetched = await fetch(String(info.file?.url_private), {
      headers: { authorization: `Bearer ${acme.token}` },
    });
    expect(Buffer.from(await fetched.arrayBuffer())).toEqual(png);
  });

  it('are not taken without a name or content, or when they are too large', async () => {
    expect((await upload(' ', 'x')).status).toBe(400);
    expect((await upload('a.csv', '')).status).toBe(400);
    expect((await upload('a.csv', Buffer.alloc(50 * 1024 * 1024 + 1))).status).toBe(413);
    expect((await post({ fileIds: ['FNONE'] })).status).toBe(400);
    expect((await post({ fileIds: [] })).status).toBe(400);
    expect(test.receiver.received).toEqual([]);
  });
});

describe('what a file holds', () => {
  it('is shown where it is a picture; everything else is saved, and runs nowhere', async () => {
    const look = async (name: string, mediaType: string) => {
      const { file } = (await (await upload(name, png, mediaType)).json()) as FileResponse;
      return fetch(`${filesOf(acme.workspaceId)}/${file.id}`);
    };
    const picture = await look('chart.png', 'image/png');
    expect(Buffer.from(await picture.arrayBuffer())).toEqual(png);
    expect(picture.headers.get('content-disposition')).toBe("inline; filename*=UTF-8''chart.png");
    for (const [name, mediaType] of [
      ["it's (1).svg", 'image/svg+xml'],
      ['page.html', 'text/html; charset=utf-8'],
    ] as const) {
      const { headers } = await look(name, mediaType);
      expect(headers.get('content-disposition')).toMatch(/^attachment; filename\*=UTF-8''[\w%.]+$/);
      expect(headers.get('content-security-policy')).toContain('sandbox');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
    }
    expect((await look('odd', 'x/y!z')).headers.get('content-type')).toBe('application/octet-stream');
  });

  it('is only its own workspace’s', async () => {
    const { file } = (await (await upload('a.csv', 'a,b')).json()) as FileResponse;
    expect((await fetch(`${filesOf(globex.workspaceId)}/${file.id}`)).status).toBe(404);
    expect((await fetch(`${filesOf(acme.workspaceId)}/FNONE`)).status).toBe(404);
  });

  it('that the app uploads stands below a message, and can be looked at', async () => {
    const client = test.client(acme.token);
    const content = 'day,orders\nMonday,12\n';
    const { upload_url: address = '', file_id: id = '' } = await client.files.getUploadURLExternal({
      filename: 'orders.csv',
      length: content.length,
    });
    await fetch(address, { method: 'POST', body: content });
    await client.files.completeUploadExternal({
      files: [{ id, title: 'Orders.csv' }],
      channel_id: acme.support,
    });
    const [message] = test.simulator.messages(acme.workspaceId, acme.support);
    expect(message?.files).toEqual([
      { id, name: 'orders.csv', mediaType: 'text/csv', sizeBytes: content.length, isKept: true },
    ]);
    expect(await (await fetch(`${filesOf(acme.workspaceId)}/${id}`)).text()).toBe(content);
  });
});
