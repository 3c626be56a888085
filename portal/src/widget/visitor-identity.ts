/** Where things are remembered in this browser; a page that may not store anything remembers them until it is left. */
export interface Memory {
  get(key: string): string | null;
  /** `null` forgets. */
  set(key: string, value: string | null): void;
}

export interface IdentityOptions {
  /** The token that the page was made with; `null`: none. */
  readonly token: string | null;
  /** An address of the site that answers with a fresh token; `null`: none. */
  readonly tokenUrl: string | null;
  readonly memory: Memory;
  readonly fetch: typeof globalThis.fetch;
}

/** Who the visitor is: the site says so, or they are a stranger whom this browser remembers. */
export interface VisitorIdentity {
  /** The token to send; `null`: a stranger who comes for the first time. */
  token(): Promise<string | null>;
  /** The server does not take it. Resolves to whether there may be another. */
  refuse(): Promise<boolean>;
  /** The server gave a stranger a token. */
  remember(token: string): void;
  /** The page says who it is, or (`null`) that they have signed out. */
  change(token: string | null): void;
}

const STRANGER = 'stranger';

/**
 * Whom the site has said to be there stays that person until the page says otherwise: when their token has ended and there is
 * no other, nobody is, and they do not become a stranger in the middle of their conversation.
 */
export function createVisitorIdentity(options: IdentityOptions): VisitorIdentity {
  const { memory, tokenUrl } = options;
  let given = options.token;
  let hasEnded = false;
  let fetched: string | null = null;
  let isKnown = given !== null;

  async function fetchToken(url: string): Promise<string | null> {
    const response = await options.fetch(url, { headers: { accept: 'text/plain' }, cache: 'no-store' });
    if (!response.ok) return null; // nobody is signed in
    return (await response.text()).trim() || null;
  }

  return {
    async token() {
      if (given !== null && !(hasEnded && tokenUrl !== null)) return given;
      if (tokenUrl !== null) fetched ??= await fetchToken(tokenUrl);
      if (fetched !== null) isKnown = true;
      return isKnown ? fetched : memory.get(STRANGER);
    },
    async refuse() {
      if (isKnown) {
        const mayHaveAnother = tokenUrl !== null && (fetched !== null || !hasEnded);
        hasEnded = true;
        fetched = null;
        return mayHaveAnother;
      }
      const wasStranger = memory.get(STRANGER) !== null;
      memory.set(STRANGER, null);
      return wasStranger;
    },
    remember: (token) => memory.set(STRANGER, token),
    change(token) {
      given = token;
      isKnown = token !== null;
      hasEnded = false;
      fetched = null;
    },
  };
}
