import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bareEnvironment } from '../support/bare-environment.ts';
import { until } from '../support/conversation.ts';
import { konstructMain } from '../support/run-konstruct.ts';
import { scratchParent } from '../support/scratch-parents.ts';
import { browserProgram, startBrowser } from '../support/start-browser.ts';

const WAIT_MS = 15_000;

describe.skipIf(!existsSync(browserProgram))('the playground of konstruct dev', () => {
  const dataDir = mkdtempSync(join(scratchParent(), 'konstruct-playground-'));
  let stop: () => Promise<void>;
  let url: string;
  let browser: Browser;
  const complaints: string[] = [];
  beforeAll(async () => {
    const dev = spawn(process.execPath, [konstructMain, 'dev'], {
      env: { ...bareEnvironment(), HOME: process.env.HOME, PORT: '0', KONSTRUCT_DATA_DIR: dataDir },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    dev.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const ended = once(dev, 'exit');
    stop = async () => {
      dev.kill('SIGTERM');
      await ended;
    };
    await until('konstruct dev runs', () => output.includes('Ctrl-C stops it.'), 60_000);
    url = /(http:\S+playground)/.exec(output)?.[1] ?? '';
    browser = await startBrowser();
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await stop?.();
    rmSync(dataDir, { recursive: true, force: true });
    expect(complaints).toEqual([]);
  });

  const log = (page: Page) => page.getByRole('log');
  const agent = (page: Page, name: RegExp) => page.getByRole('link', { name });
  async function ask(page: Page, text: string): Promise<void> {
    await page.getByRole('textbox', { name: 'Message' }).fill(text);
    await page.keyboard.press('Enter');
    await log(page).getByText(text).waitFor();
    await page.getByRole('button', { name: 'Good answer' }).last().waitFor();
  }

  it('lets one talk to the agent of each company by the web chat, and begin as somebody new', async () => {
    const page = await browser.newPage({ reducedMotion: 'reduce' });
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (line) => {
      if (/Content Security Policy|Each child|Warning:/.test(line.text())) complaints.push(line.text());
    });
    await page.goto(url);
    await page.getByRole('region', { name: 'Ada' }).waitFor();
    await ask(page, 'What is your refund policy?');
    expect(await log(page).textContent()).toContain('within 14 days');
    await page.reload();
    await log(page).getByText('within 14 days').waitFor();

    await agent(page, /Max/).click();
    await page.getByRole('region', { name: 'Max' }).waitFor();
    await page.getByText('Hello! I am Max of Globex.').waitFor();
    expect(await log(page).textContent()).not.toContain('within 14 days');
    expect(await agent(page, /Max/).getAttribute('aria-current')).toBe('page');
    expect(await page.locator('code').textContent()).toContain('data-connection="globex-site"');

    await agent(page, /Ada/).click();
    await log(page).getByText('within 14 days').waitFor();
    const begun = page.waitForEvent('load');
    await page.getByRole('button', { name: 'Begin as somebody new' }).click();
    await begun;
    await page.locator('#konstruct-chat section[aria-busy="false"]').waitFor();
    await page.getByText('Hello! I am Ada of Acme.').waitFor();
    expect(await log(page).textContent()).not.toContain('within 14 days');

    await page.getByRole('button', { name: /Appearance/ }).click();
    await page.getByRole('button', { name: /Change to dark/ }).click();
    await page.locator('#konstruct-chat[data-theme="dark"]').waitFor();
    await page.getByRole('link', { name: 'Simulated Slack' }).click();
    await page.getByRole('link', { name: 'Playground: the web chat' }).click();
    await page.getByRole('region', { name: 'Ada' }).waitFor();
    await page.close();
  });

  it('says what is wrong where the chat or the list of agents does not come', async () => {
    for (const missing of ['**/widget.js', '**/playground/chats']) {
      const page = await browser.newPage();
      page.setDefaultTimeout(WAIT_MS);
      await page.route(missing, (route) => route.abort());
      await page.goto(url);
      await page.getByText('Konstruct does not answer. Is it still running?').waitFor();
      await page.close();
    }
  });
});
