import { existsSync } from 'node:fs';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app.ts';
import { createDatabasePool } from '../../src/db/pool.ts';
import { createMailbox } from '../../src/stores/mailbox.ts';
import { until } from '../support/conversation.ts';
import { silentLog } from '../support/silent-log.ts';
import { browserProgram as program, startBrowser } from '../support/start-browser.ts';
import { startServeProcess } from '../support/start-serve-process.ts';
import { type Site, startSite } from '../support/widget/start-site.ts';
import {
  acmeSite,
  startWidgetInstallation,
  tokenFor,
  type WidgetInstallation,
} from '../support/widget/start-widget-installation.ts';

const WAIT_MS = 10_000;

describe.skipIf(!existsSync(program))('the web chat in a browser, on a site with a strict policy', () => {
  let site: Site;
  let installation: WidgetInstallation;
  let app: App;
  let browser: Browser;
  let context: BrowserContext;
  const complaints: string[] = [];
  beforeAll(async () => {
    site = await startSite(`data-connection="${acmeSite.name}" data-identity-url="/identity"`);
    installation = await startWidgetInstallation({
      allowAnonymous: true,
      allowedOrigins: [site.url],
      greeting: 'Hello!',
    });
    app = await installation.startApp();
    site.leadTo(app.url);
    browser = await startBrowser();
  });
  afterEach(async () => {
    await context?.close();
    site.identity = null;
    site.leadTo(app.url);
    expect(complaints.splice(0)).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    await site?.close();
    await installation?.stop();
  });

  /** A visitor who comes for the first time, with a browser of their own. */
  async function visit(
    path = '/',
    options: Parameters<Browser['newContext']>[0] = {},
    isThere: (page: Page) => Promise<void> = (page) => launcher(page).waitFor(),
  ): Promise<Page> {
    context = await browser.newContext({ reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', ({ message }) => complaints.push(message));
    page.on('console', (line) => {
      if (/Content Security Policy|Trusted/i.test(line.text())) complaints.push(line.text());
    });
    await page.goto(site.url + path);
    await isThere(page);
    return page;
  }
  const launcher = (page: Page) => page.getByRole('button', { name: /Open chat/ });
  const dialog = (page: Page) => page.getByRole('dialog', { name: 'Ada of acme' });
  const input = (page: Page) => dialog(page).getByRole('textbox', { name: 'Message' });
  const said = (page: Page) => page.getByRole('log');
  /** What has the focus, within the chat if it is there. */
  const focused = (page: Page) =>
    page.evaluate<string>(`{
      const inner = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
      inner?.getAttribute('aria-label') ?? inner?.textContent ?? '';
    }`);
  async function ask(page: Page, text: string): Promise<void> {
    await launcher(page).click();
    await input(page).fill(text);
    await input(page).press('Enter');
  }

  it('works by keyboard alone: opened, asked, answered, gone round in, closed', async () => {
    const page = await visit();
    for (let press = 0; press < 3 && !(await focused(page)).includes('Open chat'); press += 1)
      await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('Open chat');
    await page.keyboard.press('Enter');
    await dialog(page).waitFor();
    expect(await focused(page)).toBe('Message');
    await page.keyboard.type('Where is my order?');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('It is late.');
    await page.keyboard.press('Enter');
    await said(page).getByText('You said: Where is my order?').waitFor();
    expect(await said(page).getAttribute('aria-live')).toBe('polite');
    const places = new Set<string>();
    for (let press = 0; press < 8; press += 1) {
      await page.keyboard.press('Tab');
      places.add(await focused(page));
    }
    expect(places).toContain('Close chat');
    expect(places).not.toContain('More'); // the page's link
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Escape');
    await dialog(page).waitFor({ state: 'hidden' });
    expect(await focused(page)).toBe('Open chat');
  });

  it('asks for nothing and keeps nothing before somebody opens it', async () => {
    const page = await visit();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    await page.reload();
    await launcher(page).waitFor();
    await page.waitForTimeout(300);
    expect(asked.sort()).toEqual(['/', '/widget.js']);
    expect(await page.evaluate<number>('localStorage.length + sessionStorage.length')).toBe(0);
    expect(await page.evaluate<string>('document.cookie')).toBe('');
  });

  it('shows an answer while it is written, and reads it out once, when it is done', async () => {
    const page = await visit();
    await ask(page, 'hello');
    await said(page).getByText('You said: hello').waitFor();
    const [row] = await installation.query(
      'select channel_id from konstruct.mailbox_messages order by id desc limit 1',
    );
    const box = { connectionId: installation.connectionIds[0], channelId: String(row?.channel_id) };
    const pool = createDatabasePool({ url: installation.databaseUrl, name: 'w', size: 1, log: silentLog });
    try {
      await page.evaluate(`{
        window.added = [];
        const log = document.querySelector('#konstruct-chat').shadowRoot.querySelector('[role=log]');
        new MutationObserver((changes) => {
          for (const { addedNodes } of changes)
            for (const node of addedNodes) window.added.push(node.textContent);
        }).observe(log, { childList: true, subtree: true, characterData: true });
      }`);
      const mailbox = createMailbox(pool);
      const post = { choices: [], marker: '1', authorName: null, isAnswer: true };
      const { messageId = '' } =
        (await mailbox.append(box, { ...post, markdown: 'Thinking…', isProvisional: true })) ?? {};
      let text = '';
      for (const word of ['It', ' has', ' been', ' **sent**', ' today.']) {
        const piece = { messageId, from: text.length, text: word, length: text.length + word.length };
        await mailbox.glimpse(box, [piece]);
        text += word;
        await dialog(page).getByText(text.replaceAll('*', ''), { exact: true }).waitFor();
      }
      await page.getByRole('status').getByText('Ada of acme is writing').waitFor({ state: 'attached' });
      await mailbox.change(box, messageId, { ...post, markdown: `${text} Bye.`, isProvisional: false });
      await said(page).getByText('Bye.').waitFor();
      const added = await page.evaluate<string[]>('window.added');
      expect(added).toEqual(['Ada of acme: It has been sent today. Bye.']);
    } finally {
      await pool.end();
    }
  });

  it('has the answer once when its gateway is killed in the middle of it', async () => {
    const dying = await startServeProcess(
      { ...installation, slackApiUrl: 'http://127.0.0.1:9/api/' },
      'gateway',
    );
    site.leadTo(dying.url);
    const page = await visit();
    installation.model.respondNext({ text: 'After all.', delayMs: 4_000 });
    await ask(page, 'Are you there?');
    await dialog(page).getByText('Thinking…').waitFor();
    await dying.end('SIGKILL');
    site.leadTo(null);
    await dialog(page).getByText('Connection lost. Trying again…').first().waitFor();
    site.leadTo(app.url);
    await said(page).getByText('After all.').waitFor();
    expect(await said(page).getByText('After all.').count()).toBe(1);
    expect(await said(page).getByText('Are you there?').count()).toBe(1);
    expect(await dialog(page).getByText('Thinking…').count()).toBe(0);
    await dialog(page).getByText('Connection lost').first().waitFor({ state: 'hidden' });
  });

  it('says when a message did not get through, and sends it again on request, once', async () => {
    const page = await visit();
    await ask(page, 'first');
    await said(page).getByText('You said: first').waitFor();
    site.leadTo(null);
    await input(page).fill('second');
    await input(page).press('Enter');
    await dialog(page).getByText('Not sent.').waitFor();
    site.leadTo(app.url);
    await dialog(page).getByRole('button', { name: 'Try again' }).click();
    await said(page).getByText('You said: second').waitFor();
    expect(await said(page).getByText('second', { exact: true }).count()).toBe(1);
  });

  it('makes nothing of what a model writes but text, and links that lead to pages and mail', async () => {
    const page = await visit();
    installation.model.respondNext(
      [
        '<img src=x onerror="alert(1)"> <script>alert(2)</script>',
        '[no](javascript:alert(3)) [yes](https://a.example/x) [mail](mailto:a@b.example) [data](data:text/html,x)',
        '`code` **bold** ~~gone~~\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n<b>fence</b>\n```',
      ].join('\n\n'),
    );
    await ask(page, 'be evil');
    await said(page).getByText('onerror="alert(1)"').waitFor();
    const found = await said(page).evaluate((log) => ({
      tags: [
        ...new Set([...log.querySelectorAll('.bubble, .bubble *')].map(({ localName }) => localName)),
      ].sort(),
      links: [...log.querySelectorAll('a')].map(({ href, rel, target }) => [href, rel, target]),
    }));
    expect(found.tags).toEqual([
      'a',
      'code',
      'div',
      'p',
      'pre',
      's',
      'span',
      'strong',
      'table',
      'tbody',
      'td',
      'th',
      'thead',
      'tr',
    ]);
    const rel = 'noopener noreferrer nofollow';
    expect(found.links).toEqual([
      ['https://a.example/x', rel, '_blank'],
      ['mailto:a@b.example', rel, '_blank'],
    ]);
  });

  it('knows whom the site has signed in, stays open from page to page, and counts what came while it was closed', async () => {
    site.identity = tokenFor('mara', { name: 'Mara' });
    const page = await visit();
    await ask(page, 'My name?');
    await said(page).getByText('You said: My name?').waitFor();
    const kept = await installation.query(
      `select 1 from konstruct.mailbox_messages where channel_id = 'v:mara' and content = 'My name?'`,
    );
    expect(kept).toHaveLength(1);
    await page.goto(`${site.url}/another-page`);
    await said(page).getByText('You said: My name?').waitFor();
    installation.model.respondNext({ text: 'Later.', delayMs: 600 });
    await input(page).fill('And later?');
    await input(page).press('Enter');
    await dialog(page).getByText('Thinking…').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Open chat, 1 new message' }).waitFor();
  });

  it('has a button that stops an answer while it is written', async () => {
    const page = await visit();
    installation.model.respondNext({ text: 'never said', delayMs: 9_000 });
    await ask(page, 'a long question');
    await dialog(page).getByRole('button', { name: 'Stop' }).press('Enter');
    await said(page).getByText('Stopped.').waitFor();
    expect(await focused(page)).toBe('Message');
    expect(await dialog(page).getByText('never said').count()).toBe(0);
  });

  it('has a thumb up and down under an answer: by keyboard, said once, there after a lost connection and on the next page', async () => {
    site.identity = tokenFor('rater');
    const page = await visit();
    await ask(page, 'How long?');
    await said(page).getByText('You said: How long?').waitFor();
    const group = page.getByRole('group', { name: 'What do you think of this answer?' });
    const good = group.getByRole('button', { name: 'Good answer' });
    const bad = group.getByRole('button', { name: 'Bad answer' });
    expect(await group.count()).toBe(1);
    const pressed = async () => [
      await good.getAttribute('aria-pressed'),
      await bad.getAttribute('aria-pressed'),
    ];
    expect(await pressed()).toEqual(['false', 'false']);
    await page.evaluate(`{
      window.added = 0;
      const log = document.querySelector('#konstruct-chat').shadowRoot.querySelector('[role=log]');
      new MutationObserver((changes) => { window.added += changes.length; }).observe(log, { childList: true, subtree: true });
    }`);
    for (let press = 0; press < 8 && (await focused(page)) !== 'Good answer'; press += 1)
      await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    const verdict = () =>
      installation.query(`select verdict from konstruct.feedback where person_id = 'v:rater'`);
    await until('it is kept', async () => (await verdict())[0]?.verdict === 'up');
    await until('it is shown', async () => (await pressed()).join() === 'true,false');
    // Nothing was put in anew: a screen reader reads nothing again, and the focus stays.
    expect(await page.evaluate<number>('window.added')).toBe(0);
    expect(await focused(page)).toBe('Good answer');

    site.leadTo(null);
    await bad.click();
    await until('it is shown at once', async () => (await pressed()).join() === 'false,true');
    await page.goto(`${site.url}/another-page`);
    site.leadTo(app.url);
    await until('it got through', async () => (await verdict())[0]?.verdict === 'down', 20_000);
    await said(page).getByText('You said: How long?').waitFor();
    await until('it is shown', async () => (await pressed())[1] === 'true');
    await bad.press('Enter');
    await until('it is taken back', async () => (await verdict())[0]?.verdict === null);
    await page.reload();
    await said(page).getByText('You said: How long?').waitFor();
    expect(await pressed()).toEqual(['false', 'false']);
  });

  it('has buttons that say what stands on them', async () => {
    site.identity = tokenFor('chooser');
    const page = await visit();
    await ask(page, 'hello');
    await said(page).getByText('You said: hello').waitFor();
    await installation.query(
      `select konstruct.change_in_mailbox(connection_id, channel_id, id,
         '{"content": "Which colour?", "choices": ["Red", "Blue"]}')
       from konstruct.mailbox_messages where channel_id = 'v:chooser' and direction = 'out'`,
    );
    await page.getByRole('group', { name: 'Choose an answer' }).getByRole('button', { name: 'Blue' }).click();
    await said(page).getByText('You said: Blue').waitFor();
    await until(
      'the buttons are gone',
      async () => (await page.getByRole('button', { name: 'Red' }).count()) === 0,
    );
  });

  it('stands in a place of the page that the tag names: open, without a button, the focus goes through it', async () => {
    const page = await visit('/?inside=%23help', {}, (shown) =>
      shown.getByRole('region', { name: 'Ada of acme' }).waitFor(),
    );
    const region = page.locator('#help').getByRole('region', { name: 'Ada of acme' });
    await region.getByText('Hello!').waitFor();
    expect(await launcher(page).count()).toBe(0);
    expect(await focused(page)).not.toBe('Message'); // it takes the focus from nobody
    await page.getByRole('link', { name: 'Before' }).focus();
    const places: string[] = [];
    for (let press = 0; press < 5 && places.at(-1) !== 'More'; press += 1) {
      await page.keyboard.press('Tab');
      places.push(await focused(page));
    }
    expect(places).toContain('Message');
    expect(places.at(-1)).toBe('More');
    const input = region.getByRole('textbox', { name: 'Message' });
    await input.fill('hello');
    await input.press('Enter');
    await region.getByText('You said: hello').waitFor();
    await page.keyboard.press('Escape');
    expect(await region.isVisible()).toBe(true);
    await page.reload(); // what was said is there without anybody opening anything
    await region.getByText('You said: hello').waitFor();
  });

  it('says what is wrong when the page has no such place', async () => {
    const said: string[] = [];
    await visit('/?inside=%23nowhere', {}, async (shown) => {
      await until('it complains', () => complaints.length > 0);
      said.push(...complaints.splice(0));
      expect(await shown.locator('#konstruct-chat').count()).toBe(0);
    });
    expect(said).toEqual(['konstruct: the page has no element #nowhere for data-inside.']);
  });

  it('fills the screen of a phone, and stands on the other side where people read from right to left', async () => {
    const page = await visit('/?rtl', { viewport: { width: 390, height: 700 } });
    const corner = await launcher(page).boundingBox();
    expect(corner?.x).toBeLessThan(100);
    await launcher(page).click();
    await dialog(page).waitFor();
    expect(await dialog(page).boundingBox()).toEqual({ x: 0, y: 0, width: 390, height: 700 });
  });
});
