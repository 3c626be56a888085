import type { FastifyPluginAsync } from 'fastify';

/** What a careful site allows: its own scripts and styles and ours, and nothing that stands in the page itself. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const page = (site: string) => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Acme garden tools</title>
  <link rel="stylesheet" href="/widget/demo.css">
  <link rel="icon" href="data:,">
  <script src="/widget.js" data-connection="${site}" async></script>
</head>
<body>
  <header>
    <strong>Acme</strong>
    <nav><a href="#tools">Tools</a> <a href="#delivery">Delivery</a> <a href="#returns">Returns</a></nav>
  </header>
  <main>
    <h1>Tools that outlast the garden</h1>
    <p class="lead">Forged in Europe, repaired for free for two years.</p>
    <section id="tools">
      <h2>Tools</h2>
      <ul>
        <li><b>Spade</b><span>ash and steel</span><span>64 €</span></li>
        <li><b>Secateurs</b><span>for both hands</span><span>38 €</span></li>
        <li><b>Watering can</b><span>nine litres</span><span>52 €</span></li>
      </ul>
    </section>
    <section id="delivery"><h2>Delivery</h2><p>Two to four working days; free from 80 €.</p></section>
    <section id="returns"><h2>Returns</h2><p>Something is wrong? Ask Ada, in the corner of this page.</p></section>
    <aside>
      <p>This page is served by <code>konstruct dev</code> under a strict content security policy, to try the web chat. All
      there is of it in the page:</p>
      <pre>&lt;script src="…/widget.js" data-connection="${site}" async&gt;&lt;/script&gt;</pre>
    </aside>
  </main>
</body>
</html>
`;

const styles = `:root { color-scheme: light dark; --ink: #1d2a22; --soft: #56655b; --paper: #fbfaf5; --line: #dcd9cb; --green: #2f5d3a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9ebe2; --soft: #a9b3a6; --paper: #15181a; --line: #31363a; --green: #8fcf9c; } }
* { box-sizing: border-box; }
body { margin: 0; font: 17px/1.6 Georgia, "Noto Serif", serif; color: var(--ink); background: var(--paper); }
header { display: flex; justify-content: space-between; align-items: baseline; gap: 24px; padding: 20px clamp(20px, 6vw, 80px); border-bottom: 1px solid var(--line); }
header strong { font-size: 24px; letter-spacing: .02em; color: var(--green); }
nav a { color: inherit; margin-left: 18px; }
main { max-width: 760px; padding: 40px clamp(20px, 6vw, 80px) 120px; }
h1 { font-size: clamp(32px, 6vw, 52px); line-height: 1.1; margin: 0 0 8px; }
h2 { font-size: 22px; margin: 40px 0 8px; }
.lead { color: var(--soft); font-size: 20px; margin: 0; }
ul { list-style: none; padding: 0; margin: 0; }
li { display: grid; grid-template-columns: 1fr 1fr auto; gap: 16px; padding: 12px 0; border-bottom: 1px solid var(--line); }
aside { margin-top: 56px; padding: 16px 20px; border: 1px solid var(--line); border-radius: 10px; font: 14px/1.6 system-ui, sans-serif; color: var(--soft); }
aside p { margin: 0; }
pre { overflow-x: auto; margin: 10px 0 0; }
`;

/**
 * `/widget/demo`: a company's page with the web chat on it, for `konstruct dev` only.
 * @param site name of the web chat
 */
export const widgetDemo =
  (site: string): FastifyPluginAsync =>
  async (app) => {
    app.addHook('onSend', async (_request, reply) => {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    });
    app.get('/widget/demo', async (_request, reply) =>
      reply.header('content-security-policy', policy).type('text/html; charset=utf-8').send(page(site)),
    );
    app.get('/widget/demo.css', async (_request, reply) =>
      reply.type('text/css; charset=utf-8').send(styles),
    );
  };
