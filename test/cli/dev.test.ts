import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  ControlMessage,
  JourneysResponse,
  MessageResponse,
  MessagesResponse,
  WorkspacesResponse,
} from '../../src/simulator/control-api.ts';
import { bareEnvironment } from '../support/bare-environment.ts';
import { until } from '../support/conversation.ts';
import { konstructMain } from '../support/run-konstruct.ts';
import { scratchParent } from '../support/scratch-parents.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

interface Dev {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output(): string;
  url(): string;
}

let dataDir: string;
const running: Dev[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(scratchParent(), 'konstruct-dev-'));
});
afterEach(async () => {
  for (const { child, exited } of running.splice(0)) {
    child.kill('SIGTERM');
    await exited;
  }
  rmSync(dataDir, { recursive: true, force: true });
});

function start(
  [program, ...args]: readonly [string, ...string[]] = [process.execPath, konstructMain, 'dev'],
): Dev {
  const child = spawn(program, args, {
    cwd: root,
    env: { ...bareEnvironment(), HOME: process.env.HOME, PORT: '0', KONSTRUCT_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr.on('data', (chunk) => {
    output += chunk;
  });
  const dev: Dev = {
    child,
    exited: once(child, 'exit').then(([code]) => code as number | null),
    output: () => output,
    url: () => /http:\/\/127\.0\.0\.1:\d+/.exec(output)?.[0] ?? '',
  };
  running.push(dev);
  return dev;
}

async function started(command?: readonly [string, ...string[]]): Promise<Dev> {
  const dev = start(command);
  await until('konstruct dev runs', () => dev.output().includes('Ctrl-C stops it.'), 60_000);
  return dev;
}

async function json<T>(url: string, init?: RequestInit): Promise<T> {
  const response = await fetch(url, init);
  expect(response.ok, `${url}: ${response.status}`).toBe(true);
  return (await response.json()) as T;
}

/** Asks as the page does, and waits for the answer. */
async function askAda(url: string, text: string): Promise<ControlMessage> {
  const { workspaces } = await json<WorkspacesResponse>(`${url}/simulator/control/workspaces`);
  const acme = workspaces.find(({ name }) => name === 'Acme');
  const channel = acme?.channels.find(({ name }) => name === 'general');
  const messages = `${url}/simulator/control/workspaces/${acme?.id}/channels/${channel?.id}/messages`;
  const { message } = await json<MessageResponse>(messages, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ userId: acme?.users[0]?.id, text }),
  });
  let answer: ControlMessage | undefined;
  await until('Ada answers', async () => {
    const thread = await json<MessagesResponse>(`${messages}?threadId=${message.messageId}`);
    answer = thread.messages.find(
      // Not what is shown of it while it is written.
      ({ isAgent, editedAtMs, markdown }) => isAgent && editedAtMs !== null && !markdown?.endsWith(' …'),
    );
    return answer !== undefined;
  });
  const { journeys } = await json<JourneysResponse>(messages.replace(/messages$/, 'journeys'));
  const journey = journeys.find(({ messageId }) => messageId === message.messageId);
  expect(journey?.stages.map(({ stage }) => stage)).toEqual(
    expect.arrayContaining(['received', 'admitted', 'claimed', 'placeholder', 'model', 'committed']),
  );
  return answer as ControlMessage;
}

describe('konstruct dev', () => {
  it('starts on an empty folder, answers, and goes on with its data at the next start', {
    timeout: 120_000,
  }, async () => {
    const first = await started();
    const answer = await askAda(first.url(), '@Ada can you check the refund policy?');
    expect(answer.markdown).toContain('within 14 days');
    expect(await (await fetch(`${first.url()}/`, { redirect: 'manual' })).headers.get('location')).toBe(
      '/simulator',
    );
    expect(await (await fetch(`${first.url()}/simulator/`)).text()).toContain('<div id="root">');

    const demo = await fetch(`${first.url()}/widget/demo`);
    expect(demo.headers.get('content-security-policy')).toContain("script-src 'self';");
    expect(await demo.text()).toContain('<script src="/widget.js" data-connection="acme-site" async>');
    expect(await (await fetch(`${first.url()}/widget.js`)).text()).toContain('konstruct-chat');
    const session = await json<{ agent: string }>(`${first.url()}/widget/acme-site/session`, {
      method: 'POST',
    });
    expect(session.agent).toBe('Ada');

    const second = start();
    expect(await second.exited).toBe(1);
    expect(second.output()).toMatch(/Another Konstruct process \(pid \d+\) already runs on the data folder/);

    first.child.kill('SIGINT');
    expect(await first.exited).toBe(0);
    const again = await started();
    const { workspaces } = await json<WorkspacesResponse>(`${again.url()}/simulator/control/workspaces`);
    expect(workspaces[0]?.channels[0]?.messageCount).toBe(2);
    await askAda(again.url(), '@Ada hello');
  });

  it('ends in order when npm is asked to, and npm waits for it', { timeout: 120_000 }, async () => {
    const npm = await started(['npm', 'start']);
    const url = npm.url();
    expect((await fetch(`${url}/health`)).status).toBe(200);
    npm.child.kill('SIGTERM');
    expect(await npm.exited).toBe(0);
    await expect(fetch(`${url}/health`)).rejects.toThrow();
    expect(npm.output()).toContain('Stopping…');
  });
});
