import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { loadTools } from '../../src/cli/load-extensions.ts';
import { ask, textOf } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { startInstallation } from '../support/start-installation.ts';
import { startServeProcess } from '../support/start-serve-process.ts';
import { callTools, lastResults } from '../support/tool-calls.ts';

const example = fileURLToPath(new URL('../../examples/custom-tool/convert-units.ts', import.meta.url));
const closing: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe('KONSTRUCT_TOOLS', () => {
  it('gives the example to the agents that name it', { timeout: 30_000 }, async () => {
    const installation = await startInstallation({ app: null, agent: { tools: ['convert_units'] } });
    closing.push(() => installation.stop());
    const started = await startServeProcess(installation, 'all', { KONSTRUCT_TOOLS: example });
    closing.push(() => started.end('SIGKILL'));
    installation.useGateway(started.url);
    const inPounds = { amount: 2, from: 'kg', to: 'lb' };
    installation.model.respondNext(callTools(['convert_units', { ...inPounds, to: 'stone' }]));
    installation.model.respondNext(callTools(['convert_units', inPounds]));
    installation.model.respond((request) => `That is ${lastResults(request)}.`);
    const { answer } = await ask(installation, {
      workspaceId: acme.workspaceId,
      channelId: acme.general,
      userId: acme.mara,
      text: `<@${acme.agent}> how much is that?`,
    });
    expect(textOf(answer)).toMatch(/^That is 4\.4092\d* lb\.$/);
    const [, corrected] = installation.model.requests;
    expect(corrected && lastResults(corrected)).toEqual([expect.stringContaining('/to:')]);
  });

  it.each([
    ['export const tools = [{ name: "no spaces" }];', 'tools.0.name is not a tool: must be 1 to 64 letters'],
    ['export const tool = {};', 'export tools is not a tool'],
    ['throw new Error("half written");', 'cannot be loaded: half written'],
  ])('refuses a file that says %s', async (text, problem) => {
    const folder = mkdtempSync(join(tmpdir(), 'konstruct-test-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'tools.mjs');
    writeFileSync(file, text);
    const refused = await loadTools([file]).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'config_invalid' });
    expect(String(refused)).toContain(file);
    expect(String(refused)).toContain(problem);
  });
});
