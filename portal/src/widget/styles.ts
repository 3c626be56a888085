/**
 * The widget's styles as a constructed sheet: a policy without `unsafe-inline` allows it, where it would refuse a `style`
 * element. The colours are those of the portal (design/tokens.css); a site changes them by custom properties on
 * `#konstruct-chat`, which reach into the shadow tree. All text pairs reach WCAG AA in both themes.
 */
export function createStyles(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return sheet;
}

const css = `
:host {
  all: initial;
  color-scheme: light dark;
  --accent: var(--konstruct-accent, #0b6b61);
  --accent-ink: var(--konstruct-accent-ink, #fff);
  --paper: #fff; --sunken: #f1f4f0; --line: #dfe4dd; --edge: #78847e;
  --ink: #16211f; --soft: #4a5753; --link: #0a6a60; --focus: #0b6b61;
  --bad: #b3261e; --bad-soft: #fdecea;
  --shadow: 0 1px 2px rgb(18 41 45 / 8%), 0 12px 40px rgb(18 41 45 / 18%);
  --motion: 0s;
  font: 400 15px/1.5 var(--konstruct-font, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);
  color: var(--ink);
  direction: inherit;
}
@supports (color: light-dark(red, red)) {
  :host {
    --accent: var(--konstruct-accent, light-dark(#0b6b61, #4cc3ae));
    --accent-ink: var(--konstruct-accent-ink, light-dark(#fff, #06211d));
    --paper: light-dark(#fff, #151d1d); --sunken: light-dark(#f1f4f0, #202b2b);
    --line: light-dark(#dfe4dd, #2c3938); --edge: light-dark(#78847e, #7d8f8b);
    --ink: light-dark(#16211f, #e7eeeb); --soft: light-dark(#4a5753, #b1bfba);
    --link: light-dark(#0a6a60, #62d0bc); --focus: light-dark(#0b6b61, #62d0bc);
    --bad: light-dark(#b3261e, #ff9a90); --bad-soft: light-dark(#fdecea, #35191a);
  }
}
:host([data-theme="light"]) { color-scheme: light; }
:host([data-theme="dark"]) { color-scheme: dark; }
@media (prefers-reduced-motion: no-preference) { :host { --motion: .16s; } }
@media print { :host { display: none; } }
*, *::before { box-sizing: border-box; }
[hidden] { display: none !important; }
button, textarea { font: inherit; color: inherit; }
button { cursor: pointer; border: 0; background: none; padding: 0; }
button:disabled { cursor: default; }
:focus { outline: none; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; }
svg { width: 24px; height: 24px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; display: block; }
.quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; margin: 0; }

.launcher {
  position: fixed; z-index: 2147483646; inset-block-end: 20px; inset-inline-end: 20px;
  width: 56px; height: 56px; border-radius: 50%; display: grid; place-items: center;
  background: var(--accent); color: var(--accent-ink); box-shadow: var(--shadow);
  transition: transform var(--motion);
}
.launcher[aria-expanded="true"] svg:first-child, .launcher[aria-expanded="false"] svg:nth-child(2) { display: none; }
.launcher:hover { transform: scale(1.05); }
.badge {
  position: absolute; inset-block-start: -4px; inset-inline-end: -4px; min-width: 22px; height: 22px; padding: 0 6px;
  border-radius: 11px; background: #b3261e; color: #fff; font-size: 12px; line-height: 22px; font-weight: 600; text-align: center;
}
.panel {
  position: fixed; z-index: 2147483647; inset-block-end: 88px; inset-inline-end: 20px;
  width: min(392px, calc(100vw - 40px)); height: min(620px, calc(100vh - 112px)); height: min(620px, calc(100dvh - 112px));
  display: flex; flex-direction: column; overflow: hidden;
  background: var(--paper); border: 1px solid var(--line); border-radius: 16px; box-shadow: var(--shadow);
  animation: rise var(--motion) ease-out;
}
@keyframes rise { from { opacity: 0; transform: translateY(8px); } }
header { display: flex; align-items: center; gap: 12px; padding-block: 12px; padding-inline: 18px 12px; border-block-end: 1px solid var(--line); }
header > div { flex: 1; min-width: 0; }
h2 { margin: 0; font-size: 16px; line-height: 1.3; font-weight: 650; overflow-wrap: anywhere; }
.about { margin: 0; font-size: 13px; color: var(--soft); }
.closer { width: 40px; height: 40px; border-radius: 10px; display: grid; place-items: center; color: var(--soft); }
.closer:hover { background: var(--sunken); color: var(--ink); }
.banner { margin: 0; padding: 6px 18px; font-size: 13px; background: var(--sunken); color: var(--soft); }
.banner.bad { background: var(--bad-soft); color: var(--bad); }
.messages { position: relative; flex: 1; min-height: 0; display: flex; }
.scroller { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 16px 18px; }
.scroller:focus-visible { outline-offset: -3px; }
.newest {
  position: absolute; inset-block-end: 10px; inset-inline: 0; margin-inline: auto; width: max-content;
  padding: 6px 14px; border-radius: 16px; font-size: 13px; background: var(--ink); color: var(--paper);
}
.greeting { margin: 0 0 14px; padding: 12px 14px; border-radius: 14px; background: var(--sunken); white-space: pre-wrap; overflow-wrap: anywhere; }
.message { display: flex; flex-direction: column; align-items: flex-start; margin-block-end: 12px; position: relative; }
.message.own { align-items: flex-end; }
.bubble { margin: 0; max-width: 100%; overflow-wrap: anywhere; min-width: 0; }
.own .bubble { max-width: 86%; padding: 8px 14px; border-radius: 16px; border-end-end-radius: 5px; background: var(--accent); color: var(--accent-ink); white-space: pre-wrap; }
.agent .bubble { padding: 8px 14px; border-radius: 16px; border-end-start-radius: 5px; background: var(--sunken); }
.thinking { display: flex; align-items: center; gap: 10px; color: var(--soft); }
.dots { display: inline-flex; gap: 4px; }
.dots i { width: 6px; height: 6px; border-radius: 50%; background: currentColor; opacity: .55; }
@media (prefers-reduced-motion: no-preference) {
  .dots i { animation: pulse 1.2s infinite ease-in-out; }
  .dots i:nth-child(2) { animation-delay: .15s; }
  .dots i:nth-child(3) { animation-delay: .3s; }
  @keyframes pulse { 0%, 60%, 100% { opacity: .3; transform: none; } 30% { opacity: 1; transform: translateY(-2px); } }
}
.state { margin: 4px 2px 0; font-size: 13px; color: var(--soft); }
.state.failed { color: var(--bad); }
.state button { text-decoration: underline; text-underline-offset: 2px; color: inherit; font-weight: 600; padding: 2px; }
.stop { padding: 4px 14px; border-radius: 14px; border: 1px solid var(--edge); font-size: 13px; color: var(--soft); margin-block-end: 12px; }
.stop:hover { background: var(--sunken); color: var(--ink); }
.choices { display: flex; flex-wrap: wrap; gap: 8px; margin-block-start: 10px; }
.choices button { padding: 7px 14px; border-radius: 18px; border: 1px solid var(--edge); color: var(--link); font-weight: 550; text-align: start; overflow-wrap: anywhere; }
.choices button:hover { background: var(--sunken); }

.rating { display: flex; align-items: center; gap: 2px; margin-block-start: 2px; font-size: 13px; color: var(--bad); }
.rating button { width: 32px; height: 30px; border-radius: 9px; display: grid; place-items: center; color: var(--soft); }
.rating svg { width: 17px; height: 17px; stroke-width: 1.8; }
.rating button:hover { background: var(--sunken); color: var(--ink); }
.rating button[aria-pressed="true"] { color: var(--link); background: var(--sunken); }
.rating button[aria-pressed="true"] svg { fill: currentColor; stroke: var(--paper); stroke-width: 1.2; }
.rating span { padding-inline-start: 6px; }
@media (pointer: coarse) { .rating button { width: 44px; height: 44px; } }

.bubble > * { margin: 0; }
.bubble > * + * { margin-block-start: 8px; }
.bubble :is(h3, h4, h5, h6) { font-size: 15px; font-weight: 650; line-height: 1.4; }
.bubble h3 { font-size: 16px; }
.bubble :is(ul, ol) { padding-inline-start: 22px; }
.bubble li + li { margin-block-start: 3px; }
.bubble li > :is(ul, ol, p) { margin: 3px 0 0; }
.bubble a { color: var(--link); text-underline-offset: 2px; }
.bubble code { font: 13px/1.45 ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace; background: var(--paper); border-radius: 4px; padding: 1px 4px; }
.bubble pre { max-width: 100%; overflow-x: auto; padding: 10px 12px; border-radius: 8px; background: var(--paper); border: 1px solid var(--line); }
.bubble pre code { background: none; padding: 0; }
.bubble blockquote { padding-inline-start: 12px; border-inline-start: 3px solid var(--edge); color: var(--soft); }
.bubble hr { border: 0; border-block-start: 1px solid var(--line); width: 100%; }
.bubble .table { overflow-x: auto; }
.bubble table { border-collapse: collapse; font-size: 14px; }
.bubble :is(th, td) { padding: 4px 10px; border: 1px solid var(--line); text-align: start; }
.bubble [data-align="center"] { text-align: center; }
.bubble [data-align="end"] { text-align: end; }

/* In a place of the page, which says how large it is. */
:host([data-inside]) { display: block; height: 100%; }
:host([data-inside]) .panel { position: relative; inset: auto; z-index: auto; width: 100%; height: 100%; min-height: 280px; box-shadow: none; animation: none; }

form { display: flex; align-items: flex-end; gap: 8px; padding: 12px; border-block-start: 1px solid var(--line); }
textarea {
  flex: 1; min-width: 0; resize: none; max-height: 140px; padding: 9px 13px; line-height: 1.45;
  border: 1px solid var(--edge); border-radius: 14px; background: var(--paper); color: var(--ink);
}
textarea::placeholder { color: var(--soft); opacity: 1; }
textarea:focus-visible { outline-width: 2px; outline-offset: -1px; border-color: transparent; }
.send { width: 42px; height: 42px; border-radius: 50%; display: grid; place-items: center; background: var(--accent); color: var(--accent-ink); flex: none; }
.send svg { width: 20px; height: 20px; fill: currentColor; stroke-width: 1.5; }
.send:disabled { background: var(--sunken); color: var(--soft); }
:dir(rtl) > .send svg { transform: scaleX(-1); }

@media (max-width: 480px) {
  :host(:not([data-inside])) .panel { inset: 0; width: 100%; height: 100%; height: 100dvh; border: 0; border-radius: 0; }
  .panel:not([hidden]) + .launcher { display: none; }
  textarea { font-size: 16px; } /* below this a phone zooms into the page */
  form { padding-block-end: max(12px, env(safe-area-inset-bottom)); }
}
@media (forced-colors: active) {
  .launcher, .send, .own .bubble, .agent .bubble, .panel, .choices button, .rating [aria-pressed="true"] { border: 1px solid; }
}
`;
