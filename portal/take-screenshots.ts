import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium, type Page } from 'playwright-core';

/**
 * Takes the pictures of docs/images from the real thing: starts `konstruct dev` on a temporary data folder, asks Ada in
 * a browser, and saves what is to be seen. Needs a Chromium: /usr/bin/chromium, or the program that CHROMIUM names.
 */
const root = fileURLToPath(new URL('../', import.meta.url));
const port = 8_321;
const url = `http://127.0.0.1:${port}/simulator`;
const chatUrl = `http://127.0.0.1:${port}/widget/demo`;
const START_TIMEOUT_MS = 60_000;

const pictures = [
  { name: 'simulator-light', width: 1440, height: 1040, colorScheme: 'light' },
  { name: 'simulator-dark', width: 1440, height: 1040, colorScheme: 'dark' },
  { name: 'simulator-phone', width: 390, height: 844, colorScheme: 'light' },
] as const;

const playground = { name: 'playground-light', width: 1280, height: 760, colorScheme: 'light' } as const;

const chatPictures = [
  { name: 'widget-light', width: 1280, height: 760, colorScheme: 'light' },
  { name: 'widget-phone', width: 390, height: 844, colorScheme: 'dark' },
] as const;

const dataDir = await mkdtemp(join(tmpdir(), 'konstruct-screenshots-'));
const konstruct = spawn(join(root, 'bin', 'konstruct'), ['dev'], {
  env: { ...process.env, PORT: String(port), KONSTRUCT_DATA_DIR: dataDir },
  stdio: 'ignore',
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
});
try {
  await untilServed();
  // One page for all of them: what the app asked of Slack, only a page that was open knows.
  const simulator = await browser.newPage({ viewport: pictures[0] });
  await simulator.goto(url);
  await converse(simulator);
  for (const { name, width, height, colorScheme } of pictures) {
    await simulator.setViewportSize({ width, height });
    await simulator.emulateMedia({ colorScheme });
    await show(simulator);
    await simulator.screenshot({ path: join(root, 'docs', 'images', `${name}.png`) });
  }
  await simulator.close();
  for (const picture of [...chatPictures, playground]) {
    const { name, width, height, colorScheme } = picture;
    const page = await browser.newPage({ viewport: { width, height }, colorScheme });
    await page.goto(picture === playground ? `${url}/playground` : chatUrl);
    if (picture !== playground) await page.getByRole('button', { name: 'Open chat' }).click();
    await page.getByRole('textbox', { name: 'Message' }).focus();
    await page.keyboard.type('What is your refund policy?');
    await page.keyboard.press('Enter');
    // What is being written can be read already, and has none.
    await page.getByRole('button', { name: 'Good answer' }).waitFor();
    await page.screenshot({ path: join(root, 'docs', 'images', `${name}.png`) });
    await page.close();
  }
} finally {
  await browser.close();
  konstruct.kill('SIGTERM');
  await new Promise((resolve) => konstruct.once('exit', resolve));
  await rm(dataDir, { recursive: true, force: true });
}

async function untilServed(): Promise<void> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const answered = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answered) return;
    if (Date.now() > deadline) throw new Error(`Nothing at ${url} within ${START_TIMEOUT_MS} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** A question that is answered and liked, and one that ends in buttons. */
async function converse(page: Page): Promise<void> {
  await ask(page, '@Ada can you check the refund policy?');
  const answer = page.getByRole('article').filter({ hasText: 'My instructions say about that:' });
  await answer.getByRole('button', { name: 'Good answer' }).press('Enter');
  await answer.getByRole('button', { name: 'thumbs up: you' }).waitFor();
  await ask(page, '@Ada what can you do?');
}

/** Until the answer is there to its end: what is being written can be read already. */
async function ask(page: Page, text: string): Promise<void> {
  const composer = page.getByRole('textbox').last();
  await composer.fill(text);
  await composer.press('Escape'); // closes the list of names
  await composer.press('Enter');
  await page
    .getByRole('article')
    .filter({ hasText: text })
    .getByText(/^Answered in/)
    .waitFor();
}

/** On a phone the channel is a pane of its own. */
async function show(page: Page): Promise<void> {
  const choice = page.getByRole('button', { name: 'Who are you?' });
  const channel = page.getByText('general', { exact: true }).first();
  await choice.or(channel).filter({ visible: true }).first().waitFor();
  if (!(await choice.isVisible()) && (await channel.isVisible())) await channel.click();
  await choice.waitFor();
  await page.mouse.move(0, 0);
  await page.waitForTimeout(500); // transitions
}
