import { useCallback, useEffect, useState } from 'react';
import type { PlaygroundChat, PlaygroundChats } from '../../../../src/cli/playground.ts';
import { Avatar } from '../../design/avatar.tsx';
import { CopyButton } from '../../design/copy-button.tsx';
import { Icon } from '../../design/icon.tsx';
import { Logo } from '../../design/logo.tsx';
import { ThemeToggle } from '../../design/theme-toggle.tsx';
import { beSomebodyNew, mountChat } from './mount-chat.ts';
import './playground-page.css';

const home = import.meta.env.BASE_URL;
const PLACE = 'playground-chat';
const DEADLINE_MS = 10_000;

/** Talking to an agent by the web chat, as a visitor of its company's site does. */
export function PlaygroundPage() {
  const [chats, failed] = useChats();
  const wanted = new URLSearchParams(window.location.search).get('chat');
  const list = Array.isArray(chats) ? chats : [];
  const chat = list.find(({ site }) => site === wanted) ?? list[0];
  const site = chat?.site ?? null;
  useEffect(() => (site === null ? undefined : mountChat(site, PLACE, failed)), [site, failed]);
  return (
    <div className="playground">
      <nav className="playground-side" aria-label="Agents">
        <header>
          <span className="playground-logo">
            <Logo size={32} />
          </span>
          <h1>Playground</h1>
          <ThemeToggle />
        </header>
        <p>
          Whoever writes here is a visitor of the company’s site: the same web chat, queue and agent as there.
        </p>
        <ul>
          {list.map((each) => (
            <li key={each.site}>
              <AgentLink chat={each} isCurrent={each === chat} />
            </li>
          ))}
        </ul>
        {chat && <Tools chat={chat} />}
        <a className="playground-back" href={home}>
          <Icon name="hash" />
          Simulated Slack
        </a>
      </nav>
      <main className="playground-main">
        {chat ? (
          <div id={PLACE} className="playground-place" />
        ) : (
          <p>{words[chats as Exclude<Chats, object>]}</p>
        )}
      </main>
    </div>
  );
}

function AgentLink({ chat, isCurrent }: { readonly chat: PlaygroundChat; readonly isCurrent: boolean }) {
  return (
    // A page has one web chat, so another one is another page.
    <a
      className="playground-agent"
      href={`?chat=${encodeURIComponent(chat.site)}`}
      aria-current={isCurrent ? 'page' : undefined}
    >
      <Avatar id={chat.agent} name={chat.agent} isAgent />
      <span>
        <b>{chat.agent}</b>
        <small>{chat.company}</small>
      </span>
    </a>
  );
}

function Tools({ chat }: { readonly chat: PlaygroundChat }) {
  const tag = `<script src="${window.location.origin}/widget.js" data-connection="${chat.site}" async></script>`;
  return (
    <>
      <button type="button" className="button" onClick={() => beSomebodyNew(chat.site)}>
        Begin as somebody new
      </button>
      <section className="playground-tag">
        <h2>On a site of yours</h2>
        <pre>
          <code>{tag}</code>
        </pre>
        <CopyButton text={tag} />
      </section>
    </>
  );
}

type Chats = readonly PlaygroundChat[] | 'loading' | 'none' | 'failed';

const words = {
  loading: 'Looking for agents…',
  none: 'No company of the simulator has a web chat. docs/guides/connect-widget.md says how to make one.',
  failed: 'Konstruct does not answer. Is it still running? Then load this page again.',
} as const;

function useChats(): readonly [Chats, failed: () => void] {
  const [chats, setChats] = useState<Chats>('loading');
  useEffect(() => {
    const ending = new AbortController();
    fetch(`${home}playground/chats`, {
      signal: AbortSignal.any([ending.signal, AbortSignal.timeout(DEADLINE_MS)]),
    })
      .then(async (response) => {
        const { chats: found } = (await response.json()) as PlaygroundChats;
        setChats(found.length === 0 ? 'none' : found);
      })
      .catch(() => {
        if (!ending.signal.aborted) setChats('failed');
      });
    return () => ending.abort();
  }, []);
  return [chats, useCallback(() => setChats('failed'), [])];
}
