import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acme, startTestSimulator } from '../../test/support/simulator/start-test-simulator.ts';

let folder: string;
let stateFile: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'simulator-state-'));
  stateFile = path.join(folder, 'deep', 'simulator.json');
});
afterEach(() => rm(folder, { recursive: true }));

const inSupport = { workspaceId: acme.workspaceId, channelId: acme.support, userId: acme.mara };

describe('state file', () => {
  it('keeps messages, threads, conversations and the ts counter over a restart', async () => {
    const clock = () => 1_760_000_000_000;
    const before = await startTestSimulator({ stateFile, clock });
    const root = await before.simulator.say({ ...inSupport, text: 'root' });
    const reply = await before.simulator.say({ ...inSupport, text: 'reply', threadTs: root.ts });
    const users = `${acme.mara},${acme.priya}`;
    const opened = await before.client(acme.token).conversations.open({ users });
    await before.stop();

    const after = await startTestSimulator({ stateFile, clock });
    const thread = after.simulator.messages(acme.workspaceId, acme.support, root.ts);
    expect(thread.map(({ text }) => text)).toEqual(['root', 'reply']);
    const next = await after.simulator.say({ ...inSupport, text: 'next' });
    expect(next.ts > reply.ts).toBe(true);
    expect(await after.client(acme.token).conversations.open({ users })).toMatchObject({
      already_open: true,
      channel: { id: opened.channel?.id },
    });
    await after.stop();
    expect(await readdir(path.dirname(stateFile))).toEqual(['simulator.json']);
  });

  it('writes while it runs, without waiting for the end', async () => {
    const test = await startTestSimulator({ stateFile });
    await test.simulator.say({ ...inSupport, text: 'kept' });
    await expect
      .poll(() => readFile(stateFile, 'utf8').catch(() => ''), { timeout: 2_000 })
      .toContain('"kept"');
    await test.stop();
  });

  it('moves a file aside that it cannot read', async () => {
    const file = path.join(folder, 'simulator.json');
    await writeFile(file, '{"version":');
    const test = await startTestSimulator({ stateFile: file });
    expect(test.simulator.workspaces.size).toBe(2);
    expect(await readFile(`${file}.unreadable`, 'utf8')).toBe('{"version":');
    await test.stop();
  });
});
