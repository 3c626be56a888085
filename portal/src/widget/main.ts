import { createChat } from './chat.ts';
import { createChatClient } from './chat-client.ts';
import { createConversation } from './conversation.ts';
import { createVisitorIdentity, type Memory } from './visitor-identity.ts';
import { createWidgetView } from './widget-view.ts';

/** What the page can do with the chat: `konstruct.open()`. */
interface PageApi {
  open(): void;
  close(): void;
  /** Says who is there now: a token that the site's server signed, or `null` after signing out. */
  identify(token: string | null): void;
}

declare global {
  interface Window {
    konstruct?: PageApi;
  }
}

const OPEN = 'open';
/**
 * A tab that nobody looks at is disconnected until somebody does: without HTTP/2 a browser opens six connections to a site for all
 * its tabs together, and each stream takes one.
 */
const HIDDEN_MS = 30_000;

const script = document.currentScript;
// A second tag, or one that a framework puts in again, changes nothing.
if (script instanceof HTMLScriptElement && window.konstruct === undefined) start(script);

function start({ src, dataset }: HTMLScriptElement): void {
  const { connection, inside } = dataset;
  if (!connection) throw new Error('konstruct: the script tag needs data-connection.');
  const memory = remember(() => localStorage, `konstruct:${connection}:`);
  const tabMemory = remember(() => sessionStorage, `konstruct:${connection}:`);
  const identity = createVisitorIdentity({
    token: dataset.identity || null,
    tokenUrl: dataset.identityUrl || null,
    memory,
    fetch: (...request) => fetch(...request),
  });
  const base = new URL(`widget/${encodeURIComponent(connection)}/`, new URL('.', src)).href;
  const conversation = createConversation();
  /** Answers that have been seen, or were there before. */
  const seen = new Set<string>();
  let isDrawn = false;

  const chat = createChat({
    client: createChatClient(base, identity),
    conversation,
    memory: tabMemory,
    changed: draw,
    newId: randomId,
  });
  const view = createWidgetView(dataset.theme || null, Boolean(inside), {
    opened() {
      tabMemory.set(OPEN, '1');
      chat.open();
      draw();
    },
    closed: () => tabMemory.set(OPEN, null),
    say: (text) => chat.say(text),
    retry: (id) => chat.retry(id),
    rate: (messageId, rating) => chat.rate(messageId, rating),
    stop: (messageId) => chat.stop(messageId),
    choose: (messageId, choice) => chat.choose(messageId, choice),
  });

  /** Once per frame, however much has changed. */
  function draw(): void {
    if (isDrawn) return;
    isDrawn = true;
    requestAnimationFrame(() => {
      isDrawn = false;
      const entries = conversation.entries();
      const answers = entries.filter(({ from, provisional }) => from === 'agent' && !provisional);
      if (view.isOpen || seen.size === 0) for (const { id } of answers) seen.add(id);
      const { agent = '', title = '', greeting = '' } = chat.session ?? {};
      const unread = answers.filter(({ id }) => !seen.has(id)).length;
      const { connection: state, isReady } = chat;
      view.show({ title, agent, greeting, connection: state, isReady, entries, unread });
    });
  }

  let hiddenTimer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenTimer);
    if (document.hidden) hiddenTimer = setTimeout(() => chat.close(), HIDDEN_MS);
    else if (view.isOpen || chat.session !== null) chat.open();
  });
  window.addEventListener('online', () => {
    if (chat.session !== null) chat.open();
  });
  window.konstruct = {
    open: () => view.open(),
    close: () => view.close(),
    identify(token) {
      identity.change(token);
      seen.clear();
      chat.restart();
    },
  };
  const mount = (): void => {
    const place = inside ? document.querySelector(inside) : document.body;
    if (place === null) throw new Error(`konstruct: the page has no element ${inside} for data-inside.`);
    place.append(view.host);
    draw();
    if (inside) chat.open();
    else if (tabMemory.get(OPEN) !== null) view.open();
  };
  // The place that `data-inside` names may stand further down.
  if (document.body && !(inside && document.readyState === 'loading')) mount();
  else document.addEventListener('DOMContentLoaded', mount, { once: true });
}

/** A browser may forbid storage altogether; the chat then lasts as long as the page. */
function remember(storageOf: () => Storage, prefix: string): Memory {
  const page = new Map<string, string>();
  return {
    get(key) {
      try {
        return storageOf().getItem(prefix + key) ?? page.get(key) ?? null;
      } catch {
        return page.get(key) ?? null;
      }
    },
    set(key, value) {
      if (value === null) page.delete(key);
      else page.set(key, value);
      try {
        if (value === null) storageOf().removeItem(prefix + key);
        else storageOf().setItem(prefix + key, value);
      } catch {
        // As said above.
      }
    },
  };
}

/** `crypto.randomUUID` is there on encrypted pages only. */
function randomId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, '0'),
  ).join('');
}
