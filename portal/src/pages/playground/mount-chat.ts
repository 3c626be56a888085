/**
 * Puts the web chat into a place of this page, by the same tag that a site uses. It stays until the page is left; what is
 * returned stops following the choice of light and dark.
 */
export function mountChat(site: string, placeId: string, failed: () => void): () => void {
  const root = document.documentElement;
  if (document.querySelector('script[data-connection]') === null) {
    const script = document.createElement('script');
    script.src = '/widget.js';
    script.addEventListener('error', failed);
    Object.assign(script.dataset, {
      connection: site,
      inside: `#${placeId}`,
      theme: root.dataset.theme ?? '',
    });
    document.head.append(script);
  }
  const follow = (): void => {
    const chat = document.getElementById('konstruct-chat');
    if (root.dataset.theme === undefined) delete chat?.dataset.theme;
    else if (chat !== null) chat.dataset.theme = root.dataset.theme;
  };
  const observer = new MutationObserver(follow);
  observer.observe(root, { attributeFilter: ['data-theme'] });
  return () => observer.disconnect();
}

/** Forgets who the visitor was; the page then begins a conversation that the agent knows nothing of. */
export function beSomebodyNew(site: string): void {
  try {
    for (const storage of [localStorage, sessionStorage]) {
      for (const key of Object.keys(storage)) {
        if (key.startsWith(`konstruct:${site}:`)) storage.removeItem(key);
      }
    }
  } catch {
    // Storage is blocked: the visitor lasts as long as the page anyway.
  }
  window.location.reload();
}
