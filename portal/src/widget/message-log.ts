import type { Entry, Rating } from './conversation.ts';
import { createRatingButtons, type RatingButtons } from './rating-buttons.ts';
import { element, renderMarkdown } from './render-markdown.ts';
import { words } from './words.ts';

export interface MessageLogActions {
  retry(id: string): void;
  choose(messageId: string, choice: string): void;
  /** Says what the visitor thinks of an answer. */
  rate(messageId: string, rating: Rating | null): void;
  /** Has the agent stop writing. */
  stop(messageId: string): void;
}

/** Shows a conversation, and brings up to date only what has changed of it. */
export interface MessageLog {
  readonly root: HTMLElement;
  show(entries: readonly Entry[], agent: string, greeting: string): void;
  /** From now on screen readers say what comes; before, it is what was said earlier. */
  beginAnnouncing(): void;
  scrollToNewest(): void;
}

interface Shown {
  readonly node: HTMLElement;
  /** Everything that its looks depend on, but for what the visitor thinks of it. */
  readonly key: string;
  /** `null`: it is no answer. */
  readonly rating: RatingButtons | null;
}

/** Nearer to the end than this somebody reads the newest. */
const NEAR_PX = 80;

/**
 * What is said stands in a `log`, which screen readers read out as it grows. An answer that is being written stands below
 * it, outside: it is seen as it grows, and read out once, when it is done and moves into the log.
 */
export function createMessageLog(actions: MessageLogActions): MessageLog {
  const greetingLine = element('p', { class: 'greeting', dir: 'auto' });
  const log = element('div', { role: 'log', 'aria-live': 'off', 'aria-relevant': 'additions' });
  const writing = element('div', { class: 'writing', 'aria-hidden': 'true' });
  const stop = element('button', { type: 'button', class: 'stop', hidden: '' }, words.stop);
  const newest = element('button', { type: 'button', class: 'newest', hidden: '' }, words.newest);
  const scroller = element(
    'div',
    { class: 'scroller', tabindex: '0', role: 'region', 'aria-label': words.conversation },
    greetingLine,
    log,
    writing,
    stop,
  );
  const root = element('div', { class: 'messages' }, scroller, newest);
  const shown = new Map<string, Shown>();

  const isAtNewest = (): boolean =>
    scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_PX;
  scroller.addEventListener('scroll', () => {
    if (isAtNewest()) newest.hidden = true;
  });
  newest.addEventListener('click', () => {
    messageLog.scrollToNewest();
    scroller.focus();
  });

  let stoppable: string | null = null;
  stop.addEventListener('click', () => {
    if (stoppable !== null) actions.stop(stoppable);
  });

  function place(container: HTMLElement, nodes: readonly HTMLElement[]): void {
    for (const [index, node] of nodes.entries()) {
      const there = container.children[index];
      if (there !== node) container.insertBefore(node, there ?? null);
    }
    while (container.children.length > nodes.length) container.lastElementChild?.remove();
  }

  const messageLog: MessageLog = {
    root,
    show(entries, agent, greeting) {
      const follows = isAtNewest();
      const before = shown.size;
      greetingLine.textContent = greeting;
      greetingLine.hidden = greeting === '';
      const nodes = entries.map((entry, index) => {
        const isLast = index === entries.length - 1;
        const { atMs: _at, position: _place, rating = null, isRatingRefused = false, ...looks } = entry;
        const problem = isRatingRefused ? words.notRated : null;
        const key = JSON.stringify([looks, agent, isLast && entry.choices !== undefined]);
        const known = shown.get(entry.id);
        if (known?.key === key) {
          known.rating?.show(rating, problem);
          return known.node;
        }
        const buttons =
          entry.answer && !entry.provisional
            ? createRatingButtons((next) => actions.rate(entry.id, next))
            : null;
        buttons?.show(rating, problem);
        const node = renderEntry(entry, agent, isLast, actions);
        // Above the choices, which go when one is pressed: nothing that stays may jump then.
        node.querySelector('.bubble')?.after(...(buttons === null ? [] : [buttons.root]));
        shown.set(entry.id, { node, key, rating: buttons });
        // In place, so that nothing around it moves and is read out again.
        if (known?.node.parentElement === (entry.provisional ? writing : log)) known.node.replaceWith(node);
        return node;
      });
      for (const id of shown.keys()) if (!entries.some((entry) => entry.id === id)) shown.delete(id);
      const isWriting = (index: number): boolean => entries[index]?.provisional === true;
      place(
        log,
        nodes.filter((_node, index) => !isWriting(index)),
      );
      place(
        writing,
        nodes.filter((_node, index) => isWriting(index)),
      );
      stoppable = entries.findLast(({ provisional }) => provisional)?.id ?? null;
      stop.hidden = stoppable === null;
      const isOwnNews = shown.size > before && entries.at(-1)?.from === 'visitor';
      if (follows || isOwnNews) messageLog.scrollToNewest();
      else if (shown.size > before) newest.hidden = false;
    },
    beginAnnouncing: () => log.setAttribute('aria-live', 'polite'),
    scrollToNewest() {
      scroller.scrollTop = scroller.scrollHeight;
      newest.hidden = true;
    },
  };
  return messageLog;
}

function renderEntry(entry: Entry, agent: string, isLast: boolean, actions: MessageLogActions): HTMLElement {
  const isOwn = entry.from === 'visitor';
  const author = element('span', { class: 'quiet' }, `${isOwn ? words.you : (entry.author ?? agent)}: `);
  const node = element('div', { class: `message ${isOwn ? 'own' : 'agent'}` }, author);
  node.dataset.id = entry.id;
  if (isOwn) node.append(element('p', { class: 'bubble', dir: 'auto' }, entry.text));
  else if (entry.provisional && entry.written === undefined) node.append(renderPlaceholder(entry.text));
  else node.append(element('div', { class: 'bubble' }, ...renderMarkdown(entry.written ?? entry.text)));
  if (entry.state !== 'sent') node.append(renderState(entry, actions));
  if (isLast && entry.choices !== undefined) node.append(renderChoices(entry, actions));
  return node;
}

function renderPlaceholder(text: string): HTMLElement {
  const dots = element('span', { class: 'dots' }, element('i'), element('i'), element('i'));
  return element('div', { class: 'bubble thinking', dir: 'auto' }, dots, text);
}

function renderState({ id, state, reason }: Entry, actions: MessageLogActions): HTMLElement {
  if (state === 'sending') return element('p', { class: 'state' }, words.sending);
  const again = element('button', { type: 'button' }, words.retry);
  again.addEventListener('click', () => actions.retry(id));
  return element('p', { class: 'state failed' }, `${reason ?? words.notSent} `, again);
}

function renderChoices({ id, choices = [] }: Entry, actions: MessageLogActions): HTMLElement {
  const group = element('div', { class: 'choices', role: 'group', 'aria-label': words.choices });
  for (const choice of choices) {
    const button = element('button', { type: 'button', dir: 'auto' }, choice);
    button.addEventListener('click', () => actions.choose(id, choice));
    group.append(button);
  }
  return group;
}
