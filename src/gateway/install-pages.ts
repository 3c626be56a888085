import { createHash } from 'node:crypto';

/** A page for whoever connects an installation in a browser. */
export interface InstallPage {
  readonly status: number;
  readonly html: string;
}

export interface PageContent {
  readonly status: number;
  readonly title: string;
  /** Plain text, a paragraph each. */
  readonly paragraphs: readonly string[];
  /** The one thing to do next; `null`: nothing. */
  readonly action: { readonly href: string; readonly label: string } | null;
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c1b22; --soft: #5b5a66; --paper: #f6f5f2; --card: #fff; --line: #dedce3; --act: #4a2fbd; --on-act: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f1eff7; --soft: #b5b2c2; --paper: #16151b; --card: #211f29; --line: #3a3746; --act: #b9a8ff; --on-act: #16151b; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: var(--paper); color: var(--ink); font: 1.0625rem/1.55 system-ui, sans-serif; }
main { width: 100%; max-width: 34rem; padding: clamp(1.5rem, 6vw, 2.75rem); background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
h1 { margin: 0 0 1rem; font-size: 1.5rem; line-height: 1.25; text-wrap: balance; }
p { margin: 0 0 .75rem; color: var(--soft); overflow-wrap: anywhere; }
a { display: inline-block; margin-top: 1rem; padding: .7rem 1.35rem; border-radius: .5rem; background: var(--act); color: var(--on-act); font-weight: 600; text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible { outline: 3px solid var(--ink); outline-offset: 3px; }
`;

/**
 * What goes with every page: nothing may be loaded, run, framed or kept, and the address, which has a token in it, is told
 * to nobody.
 */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin',
  'x-robots-tag': 'noindex, nofollow',
};

export function installPage({ status, title, paragraphs, action }: PageContent): InstallPage {
  const text = paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`).join('\n');
  const link =
    action === null
      ? ''
      : `\n<a href="${escapeHtml(action.href)}" rel="noreferrer">${escapeHtml(action.label)}</a>`;
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Konstruct</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
${text}${link}
</main>
</body>
</html>
`;
  return { status, html };
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
