import { existsSync } from 'node:fs';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { idle, until } from '../support/conversation.ts';
import { acme } from '../support/people.ts';
import { buildPage } from '../support/simulator/build-page.ts';
import { browserProgram, startBrowser } from '../support/start-browser.ts';
import { type Installation, startInstallation } from '../support/start-installation.ts';
import { callTools } from '../support/tool-calls.ts';

const WAIT_MS = 10_000;
const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAADklEQVR4nGP4z8AAQhAKAB37A/0kqxKpAAAAAElFTkSuQmCC',
  'base64',
);

describe.skipIf(!existsSync(browserProgram))('the simulator’s page in a browser', () => {
  let built: Awaited<ReturnType<typeof buildPage>>;
  let installation: Installation;
  let url: string;
  let browser: Browser;
  let context: BrowserContext;
  const complaints: string[] = [];
  beforeAll(async () => {
    built = await buildPage();
    installation = await startInstallation({
      settings: { ratePerMinute: 10_000 },
      simulator: { pageDir: built.folder },
    });
    url = installation.slackApiUrl.replace(/\/api\/$/, '/');
    browser = await startBrowser();
  });
  afterEach(async () => {
    await context?.close();
    await idle(installation);
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await installation?.stop();
    await built?.remove();
  });

  /** Mara, in a channel of Acme. */
  async function visit(
    options: Parameters<Browser['newContext']>[0] = {},
    channelId: string = acme.general,
  ): Promise<Page> {
    context = await browser.newContext({ reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (line) => {
      if (/Content Security Policy|Each child|Warning:/.test(line.text())) complaints.push(line.text());
    });
    await page.goto(`${url}#/${acme.workspaceId}/${channelId}`);
    await composer(page).waitFor();
    return page;
  }
  const composer = (page: Page) => page.getByRole('textbox', { name: /^Message #?/ });
  async function say(page: Page, text: string): Promise<void> {
    await composer(page).fill(text);
    await composer(page).press('Escape'); // closes the list of names
    await composer(page).press('Enter');
  }
  /** The message that says it. */
  const messageWith = (page: Page, text: string): Locator =>
    page.getByRole('article').filter({ hasText: text }).last();
  const verdicts = () =>
    installation.query('select verdict from konstruct.feedback order by given_at desc limit 1');

  it('draws the buttons of an answer; pressed by keyboard, the app hears it, and the page shows who chose what', async () => {
    const page = await visit();
    installation.model.respondNext(
      callTools(['offer_choices', { choices: ['Refund', 'Exchange & <keep>'] }]),
      'What would you like?',
    );
    await say(page, '@Ada the parcel is broken');
    const question = messageWith(page, 'What would you like?');
    const group = question.getByRole('group', { name: 'Answers to choose from, of Ada' });
    await group.waitFor();
    expect(await group.getByRole('button').allTextContents()).toEqual(['Refund', 'Exchange & <keep>']);
    installation.model.respondNext('An exchange it is.');
    await group.getByRole('button', { name: 'Exchange & <keep>' }).press('Enter');
    await question.getByText('✓ Exchange & <keep> · @Mara Lindqvist').waitFor();
    await group.waitFor({ state: 'detached' });
    // The button that had the focus is gone; the message has it.
    expect(await question.evaluate((article) => article === article.ownerDocument.activeElement)).toBe(true);
    await page.getByText('An exchange it is.', { exact: true }).first().waitFor();
  });

  it('says when the app does not take a press, and takes the next one', async () => {
    const page = await visit();
    installation.model.respondNext(
      callTools(['offer_choices', { choices: ['Monday', 'Tuesday'] }]),
      'Which day suits you?',
    );
    await say(page, '@Ada when can you call?');
    const question = messageWith(page, 'Which day suits you?');
    const monday = question.getByRole('button', { name: 'Monday' });
    await monday.waitFor();
    await idle(installation);
    installation.useGateway(`${installation.app?.url}/elsewhere`);
    await monday.press('Space');
    await question.getByRole('status').getByText('Ada did not take it. Press it again.').waitFor();
    installation.useGateway(installation.app?.url ?? '');
    await monday.click();
    await question.getByText('✓ Monday · @Mara Lindqvist').waitFor();
  });

  it('attaches files, shows pictures, and gives the model what they hold', async () => {
    const page = await visit();
    installation.model.respondNext('Two orders on Monday.');
    await page.locator('input[type=file]').setInputFiles([
      { name: 'orders.csv', mimeType: 'text/csv', buffer: Buffer.from('day,orders\nMonday,2\n') },
      { name: 'chart.png', mimeType: 'image/png', buffer: png },
      { name: 'wrong.txt', mimeType: 'text/plain', buffer: Buffer.from('not this one') },
    ]);
    const attached = page.getByRole('list', { name: 'Attached files' });
    await attached.getByText('TXT · 12 B').waitFor();
    await attached.getByRole('button', { name: 'Remove wrong.txt' }).click();
    await say(page, '@Ada how many orders?');
    await page.getByText('Two orders on Monday.', { exact: true }).first().waitFor();
    await attached.waitFor({ state: 'detached' });
    const sent = messageWith(page, 'how many orders?');
    const picture = sent.getByRole('img', { name: 'chart.png' });
    await until('the picture is drawn', () =>
      picture.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth === 2),
    );
    const download = page.waitForEvent('download');
    await sent.getByRole('link', { name: /orders\.csv/ }).click();
    expect((await download).suggestedFilename()).toBe('orders.csv');
    const asked = JSON.stringify(installation.model.requests.at(-1)?.body);
    expect(asked).toContain('Monday,2');
    expect(asked).not.toContain('not this one');
  });

  it('shows a file that the agent sends, and keeps what is attached while one looks elsewhere', async () => {
    const page = await visit();
    installation.model.respondNext(
      callTools([
        'attach_file',
        { name: 'refunds.csv', mediaType: 'text/csv', content: 'order,refund\n1,20\n' },
      ]),
      'Here are the refunds.',
    );
    await say(page, '@Ada the refunds as a table, please');
    const file = page.getByRole('link', { name: /refunds\.csv/ });
    await file.waitFor();
    const answer = await context.request.get(new URL((await file.getAttribute('href')) ?? '', url).href);
    expect(await answer.text()).toBe('order,refund\n1,20\n');
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'later.txt', mimeType: 'text/plain', buffer: Buffer.from('later') });
    await page.getByText('TXT · 5 B').waitFor();
    await page.getByRole('link', { name: 'support' }).click();
    await page.getByText('later.txt').waitFor({ state: 'hidden' });
    await page.getByRole('link', { name: 'general' }).click();
    await page.getByText('later.txt').waitFor();
  });

  it('puts thumbs on an answer and takes them off, by keyboard', async () => {
    const page = await visit();
    installation.model.respondNext('Within 30 days.');
    await say(page, '@Ada how long?');
    const answer = messageWith(page, 'Within 30 days.');
    await answer.waitFor();
    await idle(installation);
    const bar = answer.getByRole('toolbar');
    await bar.getByRole('button', { name: 'Good answer' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    const thumb = answer.getByRole('list', { name: 'Reactions' }).getByRole('button');
    await thumb.waitFor();
    expect(await thumb.getAttribute('aria-label')).toBe('thumbs down: you');
    expect(await thumb.getAttribute('aria-pressed')).toBe('true');
    await until('it is kept with the turn', async () => (await verdicts())[0]?.verdict === 'down');
    await thumb.press('Enter');
    await thumb.waitFor({ state: 'detached' });
    await until('it is taken back', async () => (await verdicts())[0]?.verdict === null);
  });

  it('stops the agent with a stop sign, and shows it to everybody who looks', async () => {
    const page = await visit();
    const other = await context.newPage();
    await other.goto(`${url}#/${acme.workspaceId}/${acme.general}`);
    await page.bringToFront(); // a tab behind another draws nothing
    installation.model.respondNext({ text: 'never said', delayMs: 5_000 });
    await say(page, '@Ada a very long question');
    const question = messageWith(page, 'a very long question');
    await page.getByText('Thinking…', { exact: true }).first().waitFor();
    await question.hover();
    await question.getByRole('button', { name: 'Stop the agent' }).click();
    await page.getByText('Stopped.', { exact: true }).first().waitFor();
    await messageWith(other, 'a very long question')
      .getByRole('button', { name: 'octagonal sign: you' })
      .waitFor();
    expect(await page.getByText('never said').count()).toBe(0);
  });

  it('shows what only one person sees to that person, who can dismiss it', async () => {
    const page = await visit();
    const client = await import('@slack/web-api');
    const slack = new client.WebClient('xoxb-simulator-acme', { slackApiUrl: installation.slackApiUrl });
    await slack.chat.postEphemeral({ channel: acme.general, user: acme.mara, text: 'Psst, Mara.' });
    await slack.chat.postEphemeral({ channel: acme.general, user: acme.tomas, text: 'Psst, Tomas.' });
    const notice = messageWith(page, 'Psst, Mara.');
    await notice.getByText('Only visible to you').waitFor();
    expect(await page.getByText('Psst, Tomas.').count()).toBe(0);
    expect(await notice.getByRole('toolbar').count()).toBe(0);
    await notice.getByRole('button', { name: 'Dismiss' }).press('Enter');
    await notice.waitFor({ state: 'detached' });
    expect(await page.getByText('This message was deleted.').count()).toBe(0);
  });

  it('does all of it on a phone, where nothing can be pointed at', async () => {
    const page = await visit({ viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true });
    installation.model.respondNext(
      callTools(['offer_choices', { choices: ['Yes, please', 'No, thanks'] }]),
      'Shall I send it?',
    );
    await say(page, '@Ada is there a form?');
    const question = messageWith(page, 'Shall I send it?');
    const yes = question.getByRole('button', { name: 'Yes, please' });
    await yes.waitFor();
    expect((await yes.boundingBox())?.height).toBeGreaterThanOrEqual(44);
    await question.getByRole('button', { name: 'React, and more' }).tap();
    await question.getByRole('button', { name: 'Good answer' }).tap();
    await question.getByRole('button', { name: 'thumbs up: you' }).waitFor();
    await yes.tap();
    await question.getByText('✓ Yes, please · @Mara Lindqvist').waitFor();
    const overflow = await page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
    expect(overflow).toBe(0);
  });
});
