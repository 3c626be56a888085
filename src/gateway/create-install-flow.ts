import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ChannelInstallation, InstalledApp } from '../core/channel.ts';
import type { InstallPaths } from '../core/channel-definition.ts';
import type { Cipher } from '../core/cipher.ts';
import type { Clock } from '../core/clock.ts';
import { isKonstructError } from '../core/errors.ts';
import { type InstallLink, readInstallLink } from '../core/install-link.ts';
import type { Log } from '../core/log.ts';
import { openToken, sealToken } from '../core/sealed-token.ts';
import { type InstallPage, installPage } from './install-pages.ts';

export interface InstallFlowOptions {
  /** As in the database: `slack`. */
  readonly channel: string;
  /** For people: `Slack`. */
  readonly displayName: string;
  readonly paths: InstallPaths;
  /** Absent: the installation has no credentials for it. */
  readonly installation: ChannelInstallation | undefined;
  /** Where browsers reach us, without a slash at its end; `null`: nobody said. */
  readonly publicUrl: string | null;
  /** `null`: the tenant or the agent is gone. */
  readonly findTarget: (
    link: InstallLink,
  ) => Promise<{ readonly tenantName: string; readonly agentName: string } | null>;
  /** Whether the state was not used before; from now on it was. */
  readonly useState: (id: string, expiresAtMs: number) => Promise<boolean>;
  readonly save: (
    link: InstallLink,
    app: InstalledApp,
  ) => Promise<
    { readonly outcome: 'created' | 'updated'; readonly connectionId: string } | { readonly outcome: 'taken' }
  >;
  readonly cipher: Cipher;
  readonly wallClock: Clock;
  readonly log: Log;
}

/** What a browser gets. */
export interface InstallAnswer extends InstallPage {
  readonly cookie?: string;
}

export interface InstallFlow {
  readonly paths: InstallPaths;
  /** The link of an operator: shows for whom the installation is, and the way to the platform's consent page. */
  start(query: URLSearchParams): Promise<InstallAnswer>;
  /** The way back from there. */
  finish(query: URLSearchParams, cookies: string): Promise<InstallAnswer>;
}

/** How long somebody may take for the platform's consent page. */
const STATE_MS = 30 * 60_000;
const EXCHANGE_MS = 15_000;
const COOKIE = 'konstruct_install_';

/**
 * Connects installations that people make in their browser (OAuth 2). Whose they become is in the operator's link. The state
 * that goes to the platform and comes back is sealed, expires, is good once, and only in the browser that it was given to:
 * nobody can have somebody else finish what they began.
 */
export function createInstallFlow(options: InstallFlowOptions): InstallFlow {
  const { channel, displayName, paths, installation, publicUrl, cipher, wallClock, log } = options;
  const redirectUrl = `${publicUrl}${paths.redirectPath}`;
  const purpose = `install-state ${channel}`;

  async function start(query: URLSearchParams): Promise<InstallAnswer> {
    if (installation === undefined || publicUrl === null) return notSetUp();
    const link = readInstallLink(cipher, channel, query.get('link') ?? '', wallClock());
    const target = link === null ? null : await options.findTarget(link);
    if (link === null || target === null) return linkInvalid();
    const id = randomBytes(16).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const expiresAtMs = wallClock() + STATE_MS;
    const value = { ...link, id, browser: hashOf(secret) };
    const state = sealToken(cipher, purpose, value, expiresAtMs);
    const { tenantName, agentName } = target;
    return {
      ...installPage({
        status: 200,
        title: `Connect ${displayName} to ${tenantName}`,
        paragraphs: [
          `${agentName} will answer there when somebody mentions it or writes to it directly.`,
          `${displayName} asks you next which workspace it is to be, and shows what the app may do there.`,
        ],
        action: {
          href: installation.authorizeUrl({ state, redirectUrl }),
          label: `Continue to ${displayName}`,
        },
      }),
      cookie: cookieOf(id, secret, STATE_MS / 1_000),
    };
  }

  async function finish(query: URLSearchParams, cookies: string): Promise<InstallAnswer> {
    if (installation === undefined || publicUrl === null) return notSetUp();
    const state = openToken(cipher, purpose, query.get('state') ?? '', wallClock());
    if (state === null) return startAgain('It took too long, or the address was changed on its way.');
    const { id = '', browser = '', tenantId = '', agentId = '' } = state;
    const answer = await finishWith({ id, browser, link: { tenantId, agentId } }, query, cookies);
    return { ...answer, cookie: cookieOf(id, '', 0) };
  }

  async function finishWith(
    state: { readonly id: string; readonly browser: string; readonly link: InstallLink },
    query: URLSearchParams,
    cookies: string,
  ): Promise<InstallAnswer> {
    const secret = readCookie(cookies, COOKIE + state.id);
    if (secret === null || !isSame(hashOf(secret), state.browser))
      return startAgain('It was finished already, begun in another browser, or its cookie was refused.');
    if (!(await options.useState(state.id, wallClock() + STATE_MS)))
      return startAgain('This way was gone already.');
    const about = { channel, tenantId: state.link.tenantId };
    const refusal = query.get('error');
    const code = query.get('code') ?? '';
    if (refusal !== null || code === '') {
      log.info('install.refused', { ...about, reason: wordOf(refusal) });
      return refusal === 'access_denied' ? denied() : failed(wordOf(refusal));
    }
    const target = await options.findTarget(state.link);
    if (target === null) return linkInvalid();
    let app: InstalledApp;
    try {
      app = await (installation as ChannelInstallation).exchange(
        { code, redirectUrl },
        AbortSignal.timeout(EXCHANGE_MS),
      );
    } catch (error) {
      if (!isKonstructError(error)) throw error;
      const reason = wordOf(error.details.platformError ?? error.code);
      log.warn('install.failed', { ...about, code: error.code, reason });
      return failed(reason);
    }
    const saved = await options.save(state.link, app);
    if (saved.outcome === 'taken') {
      log.warn('install.taken', { ...about, externalId: app.externalId });
      return taken(app.name);
    }
    log.info('install.done', { ...about, ...saved, externalId: app.externalId });
    return installPage({
      status: 200,
      title: `${target.agentName} is in ${app.name}`,
      paragraphs: [
        `Invite the app into a channel and mention it, or write it a direct message.`,
        'You can close this page.',
      ],
      action: app.openUrl === null ? null : { href: app.openUrl, label: `Open ${displayName}` },
    });
  }

  /** Where the address is https, so is the cookie. It comes back from the platform's page, hence `Lax`. */
  function cookieOf(id: string, secret: string, seconds: number): string {
    const secure = publicUrl?.startsWith('https:') ? '; Secure' : '';
    const path = new URL(redirectUrl).pathname;
    return `${COOKIE}${id}=${secret}; Path=${path}; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure}`;
  }

  const notSetUp = () =>
    installPage({
      status: 404,
      title: `${displayName} cannot be connected here`,
      paragraphs: [
        'This installation of Konstruct is not set up for it.',
        'Whoever runs it needs the app’s client id and secret, and the public address.',
      ],
      action: null,
    });
  const linkInvalid = () =>
    installPage({
      status: 403,
      title: 'This link does not work',
      paragraphs: ['It has expired, or part of it is missing.', 'Ask whoever gave it to you for a new one.'],
      action: null,
    });
  const startAgain = (reason: string) =>
    installPage({
      status: 400,
      title: 'Please begin again',
      paragraphs: [
        reason,
        'If this page has said that the app is connected, it is, and there is nothing to do. Otherwise open the link that you were given once more.',
      ],
      action: null,
    });
  const denied = () =>
    installPage({
      status: 200,
      title: 'Nothing was connected',
      paragraphs: [
        `You, or a rule of your workspace, did not allow the app in ${displayName}.`,
        'To do it after all, open the link that you were given once more.',
      ],
      action: null,
    });
  const failed = (reason: string) =>
    installPage({
      status: 502,
      title: `${displayName} did not let us finish`,
      paragraphs: [
        `It said: ${reason}. Nothing was connected.`,
        'Open the link that you were given once more. If that does not help, tell whoever gave it to you.',
      ],
      action: null,
    });
  const taken = (name: string) =>
    installPage({
      status: 409,
      title: `${name} belongs to somebody else here`,
      paragraphs: [
        'Another customer of this installation of Konstruct has connected it already. Nothing was changed.',
        'Whoever runs Konstruct can tell you more.',
      ],
      action: null,
    });

  return { paths, start, finish };
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function isSame(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}

function readCookie(header: string, name: string): string | null {
  for (const pair of header.split(';')) {
    const [key = '', value = ''] = pair.trim().split('=', 2);
    if (key === name && value !== '') return value;
  }
  return null;
}

/** A word of the platform's, as far as it is one: it came through a browser. */
function wordOf(value: unknown): string {
  const word = String(value ?? '');
  return /^[a-z0-9_]{1,60}$/i.test(word) ? word : 'unknown_error';
}
