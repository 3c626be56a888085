/** What a browser does on its way through an install flow: it keeps cookies, and follows where it is sent. */
export interface InstallBrowser {
  open(url: string): Promise<Visited>;
}

export interface Visited {
  readonly status: number;
  readonly url: string;
  readonly html: string;
  readonly headers: Headers;
  /** The address behind a link, by its words. */
  link(words: RegExp): string;
  readonly title: string;
}

/** @param origin where requests for the public address really go */
export function createInstallBrowser(publicUrl: string, origin: () => string): InstallBrowser {
  const cookies = new Map<string, { value: string; path: string }>();
  return {
    async open(url) {
      let at = new URL(url);
      for (let redirects = 0; redirects < 5; redirects += 1) {
        const isOurs = at.origin === publicUrl;
        const sent = [...cookies]
          .filter(([, { path }]) => isOurs && at.pathname.startsWith(path))
          .map(([name, { value }]) => `${name}=${value}`);
        const response = await fetch(isOurs ? `${origin()}${at.pathname}${at.search}` : at, {
          redirect: 'manual',
          headers: { accept: 'text/html', ...(sent.length > 0 ? { cookie: sent.join('; ') } : {}) },
        });
        for (const line of isOurs ? response.headers.getSetCookie() : []) keep(line);
        const location = response.headers.get('location');
        if (location === null) return visited(response, at);
        at = new URL(location, at);
      }
      throw new Error('Too many redirects.');
    },
  };

  function keep(line: string): void {
    const [pair = '', ...attributes] = line.split('; ');
    const [name = '', value = ''] = pair.split('=', 2);
    const named = new Map(attributes.map((each) => [each.split('=')[0], each.split('=')[1]] as const));
    if (!named.has('HttpOnly') || named.get('SameSite') !== 'Lax' || !named.has('Secure'))
      throw new Error(`A careless cookie: ${attributes.join('; ')}`);
    if (named.get('Max-Age') === '0') cookies.delete(name);
    else cookies.set(name, { value, path: named.get('Path') ?? '/' });
  }
}

async function visited(response: Response, url: URL): Promise<Visited> {
  const html = await response.text();
  const plain = (text: string) =>
    text.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&lt;', '<').replaceAll('&amp;', '&');
  return {
    status: response.status,
    url: url.href,
    html,
    headers: response.headers,
    title: plain(/<h1>(.*?)<\/h1>/s.exec(html)?.[1] ?? ''),
    link(words) {
      const all = [...html.matchAll(/<a href="([^"]*)"[^>]*>(.*?)<\/a>/gs)];
      const found = all.find(([, , text = '']) => words.test(plain(text)));
      if (found?.[1] === undefined) throw new Error(`No link says ${words}: ${html}`);
      return new URL(plain(found[1]), url).href;
    },
  };
}
