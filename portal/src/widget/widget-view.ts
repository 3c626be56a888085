import type { Connection } from './chat.ts';
import { createComposer } from './composer.ts';
import type { Entry } from './conversation.ts';
import { icon } from './icon.ts';
import { nextInside } from './keep-focus.ts';
import { createMessageLog, type MessageLogActions } from './message-log.ts';
import { element } from './render-markdown.ts';
import { createStyles } from './styles.ts';
import { words } from './words.ts';

export interface WidgetState {
  readonly title: string;
  readonly agent: string;
  readonly greeting: string;
  readonly connection: Connection;
  readonly isReady: boolean;
  readonly entries: readonly Entry[];
  /** Answers that came while it was closed. */
  readonly unread: number;
}

export interface WidgetActions extends MessageLogActions {
  opened(): void;
  closed(): void;
  say(text: string): void;
}

export interface WidgetView {
  readonly host: HTMLElement;
  readonly isOpen: boolean;
  open(): void;
  close(): void;
  show(state: WidgetState): void;
}

/** A connection that is lost for less than this nobody needs to know of. */
const TELL_AFTER_MS = 1_500;

/**
 * The button in the corner of the page and the panel that it opens, in a shadow tree that the page's styles do not reach.
 *
 * @param isInside it stands in a place of the page: always open, without the button, and a part of the page and no dialog over it
 */
export function createWidgetView(
  theme: string | null,
  isInside: boolean,
  actions: WidgetActions,
): WidgetView {
  const host = element('div', {
    id: 'konstruct-chat',
    ...(theme !== null && { 'data-theme': theme }),
    ...(isInside && { 'data-inside': '' }),
  });
  const root = host.attachShadow({ mode: 'open' });
  root.adoptedStyleSheets = [createStyles()];

  const badge = element('span', { class: 'badge', 'aria-hidden': 'true', hidden: '' });
  const launcher = element(
    'button',
    {
      type: 'button',
      class: 'launcher',
      'aria-haspopup': 'dialog',
      'aria-expanded': 'false',
      'aria-label': words.open,
    },
    icon('chat'),
    icon('down'),
    badge,
  );
  const title = element('h2', { id: 'title', dir: 'auto' });
  const about = element('p', { class: 'about' }, words.isAi);
  const closer = element(
    'button',
    { type: 'button', class: 'closer', 'aria-label': words.close },
    icon('close'),
  );
  const banner = element('p', { class: 'banner', hidden: '' });
  // Said, not shown: whether the connection holds, and that somebody is writing.
  const status = element('p', { class: 'quiet', role: 'status' });
  const composer = createComposer(actions.say);
  const log = createMessageLog({
    ...actions,
    // These buttons go when they are pressed, and the focus must not go with them.
    stop(messageId) {
      actions.stop(messageId);
      composer.focus();
    },
    choose(messageId, choice) {
      actions.choose(messageId, choice);
      composer.focus();
    },
  });
  const panel = element(
    'section',
    {
      class: 'panel',
      'aria-labelledby': 'title',
      ...(isInside
        ? { role: 'region' }
        : { role: 'dialog', 'aria-modal': 'true', tabindex: '-1', hidden: '' }),
    },
    element('header', {}, element('div', {}, title, about), ...(isInside ? [] : [closer])),
    banner,
    log.root,
    composer.root,
    status,
  );
  root.append(panel);
  if (!isInside) root.append(launcher);

  let returnTo: HTMLElement | null = null;
  let connection: Connection = 'idle';
  let told: Connection = 'idle';
  let isAnnouncing = false;
  let wasWriting = false;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function tellConnection(now: Connection): void {
    if (now === connection) return;
    connection = now;
    clearTimeout(timer);
    const text = now === 'refused' ? words.refused : now === 'offline' ? words.offline : words.connecting;
    const isGood = now === 'online' || now === 'idle';
    const tell = (): void => {
      if (isGood && told === 'offline' && now === 'online') status.textContent = words.online;
      else if (!isGood) status.textContent = text;
      told = now;
      banner.hidden = isGood;
      banner.textContent = isGood ? '' : text;
      banner.classList.toggle('bad', now === 'offline' || now === 'refused');
    };
    if (isGood || now === 'refused') tell();
    else if (told !== 'offline') timer = setTimeout(tell, TELL_AFTER_MS);
  }

  const view: WidgetView = {
    host,
    get isOpen() {
      return !panel.hidden;
    },
    open() {
      if (view.isOpen) return;
      const active = document.activeElement;
      returnTo =
        active instanceof HTMLElement && active !== host && active !== document.body ? active : launcher;
      panel.hidden = false;
      launcher.setAttribute('aria-expanded', 'true');
      launcher.setAttribute('aria-label', words.close);
      actions.opened();
      log.scrollToNewest();
      composer.focus();
    },
    close() {
      if (isInside || !view.isOpen) return;
      panel.hidden = true;
      launcher.setAttribute('aria-expanded', 'false');
      launcher.setAttribute('aria-label', words.open);
      actions.closed();
      (returnTo?.isConnected ? returnTo : launcher).focus();
    },
    show(state) {
      title.textContent = state.title || words.chat;
      panel.setAttribute('aria-busy', String(!state.isReady));
      tellConnection(state.connection);
      log.show(state.entries, state.agent, state.greeting);
      if (state.isReady && !isAnnouncing) {
        isAnnouncing = true;
        requestAnimationFrame(() => log.beginAnnouncing());
      }
      const isWriting = state.entries.some(({ provisional }) => provisional);
      if (isWriting !== wasWriting) status.textContent = isWriting ? words.writing(state.agent) : '';
      wasWriting = isWriting;
      badge.hidden = state.unread === 0;
      badge.textContent = state.unread > 9 ? '9+' : String(state.unread);
      if (!view.isOpen)
        launcher.setAttribute('aria-label', state.unread > 0 ? words.openWithNews(state.unread) : words.open);
    },
  };

  launcher.addEventListener('click', () => (view.isOpen ? view.close() : view.open()));
  closer.addEventListener('click', () => view.close());
  panel.addEventListener('keydown', (event) => {
    event.stopPropagation(); // the page's shortcuts are not for what is written here
    if (isInside) return; // the focus goes on through the page
    if (event.key === 'Escape' && !event.isComposing) {
      event.preventDefault();
      view.close();
    } else if (event.key === 'Tab') {
      const next = nextInside(panel, root.activeElement, event.shiftKey);
      if (next === null) return;
      event.preventDefault();
      next.focus();
    }
  });
  return view;
}
