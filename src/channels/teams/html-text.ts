/** What a message quotes: something it replies to, or that it passes on. */
export interface TeamsQuote {
  readonly kind: 'reply' | 'forward';
  /** `null`: Teams does not say whose words they are. */
  readonly name: string | null;
  readonly text: string;
}

export interface HtmlText {
  /** Without what is quoted; characters are still escaped, and mentions are `<at>name</at>`, as in an activity's `text`. */
  readonly text: string;
  /** Escaped as well. */
  readonly quotes: readonly TeamsQuote[];
}

interface Frame {
  readonly kind: TeamsQuote['kind'] | 'plain' | 'whole';
  text: string;
  /** What Teams has marked within a quotation: whose it is, and its words or the beginning of them. */
  readonly parts: { mri: string; copy: string; preview: string };
}

/** No text of Teams' is longer. */
const MAX_CHARACTERS = 60_000;
const MAX_TAG_CHARACTERS = 4_000;
const MAX_DEPTH = 8;
const MAX_QUOTES = 5;
const BLOCK = /^(?:p|div|li|tr|h[1-6]|ul|ol|table|pre|blockquote|codeblock)$/;
const UNSEEN = /^(?:script|style|attachment|head)$/;
const QUOTE = /schema\.skype\.com\/(reply|forward)/i;
const MENTION = /schema\.skype\.com\/mention/i;
const EMOJI = /schema\.skype\.com\/emoji/i;
const GIF = /schema\.skype\.com\/giphy/i;

/** Whether a text is Teams' HTML, and not what somebody has written about HTML. */
export function hasQuotedBlock(text: string): boolean {
  return /<blockquote\b/i.test(text) && QUOTE.test(text);
}

/** Signs for what comes beside the text, and emoji as pictures. What else looks like a tag somebody has written. */
export function withoutMarkers(text: string): string {
  return text
    .replaceAll(/<quoted\s[^<>]{0,400}>(?:<\/quoted>)?/gi, '')
    .replaceAll(/<attachment\s[^<>]{0,400}>(?:[^<]{0,400}<\/attachment>)?/gi, '')
    .replaceAll(/<emoji\s([^<>]{0,800})>(?:[^<]{0,400}<\/emoji>)?/gi, (_tag, given: string) => shownAs(given))
    .replaceAll(/<img\s([^<>]{0,2000})>/gi, (tag, given: string) =>
      EMOJI.test(given) ? shownAs(given) : tag,
    );
}

/**
 * The HTML of a message as text. Teams sends it beside the plain one, which lacks what is quoted, and instead of it.
 *
 * A reply is a `blockquote` of `schema.skype.com/Reply` with marked parts, what is passed on one of `…/Forward` without any.
 */
export function readHtml(given: string): HtmlText {
  const html = given.slice(0, MAX_CHARACTERS);
  const quotes: TeamsQuote[] = [];
  const frames: Frame[] = [frameOf('whole')];
  let part: { readonly tag: string; readonly name: keyof Frame['parts'] } | null = null;
  let unseen: string | null = null;
  let mention: string | null = null;
  let preformatted = 0;
  const say = (text: string): void => {
    const frame = frames.at(-1) as Frame;
    frame.text += text;
    if (part !== null) frame.parts[part.name] += text;
  };
  const isAtStart = (): boolean => /^$|\n$/.test((frames.at(-1) as Frame).text.slice(-1));
  const breakLine = (): void => {
    if (!isAtStart()) say('\n');
  };
  const close = (): void => {
    const frame = frames.pop() as Frame;
    if (frame.kind === 'plain') {
      breakLine();
      say(`${tidy(frame.text).replace(/^/gm, '&gt; ')}\n`);
    } else if (frame.kind !== 'whole' && frames.length === 1 && quotes.length < MAX_QUOTES) {
      quotes.push(quoteOf(frame.kind, frame));
    }
  };
  for (let at = 0; at < html.length; ) {
    const end = html[at] === '<' ? endOfTag(html, at) : -1;
    if (end === -1) {
      const next = html.indexOf('<', at + 1);
      const text = html.slice(at, next === -1 ? html.length : next).replace(/^</, '&lt;');
      if (unseen === null) say(preformatted > 0 ? text : inLine(text, isAtStart()));
      at = next === -1 ? html.length : next;
      continue;
    }
    const [, slash = '', name = '', attributes = ''] =
      /^<(\/?)([a-z][\w:-]*)?([\s\S]*)>$/i.exec(html.slice(at, end)) ?? [];
    const tag = name.toLowerCase();
    at = end;
    if (unseen !== null) {
      if (slash !== '' && tag === unseen) unseen = null;
      continue;
    }
    if (slash === '') {
      const isOpen = !attributes.trimEnd().endsWith('/');
      if (UNSEEN.test(tag) && isOpen) unseen = tag;
      else if (tag === 'br') say('\n');
      else if (tag === 'img') say(pictureOf(attributes));
      else if (tag === 'emoji') {
        say(shownAs(attributes));
        if (isOpen) unseen = tag;
      } else if (tag === 'at' || (tag === 'span' && MENTION.test(attributes))) {
        mention = tag;
        say('<at>');
      } else if (tag === 'blockquote') {
        const [, kind = 'plain'] = QUOTE.exec(attribute(attributes, 'itemtype')) ?? [];
        if (frames.length <= MAX_DEPTH) frames.push(frameOf(kind.toLowerCase() as Frame['kind']));
      } else if (BLOCK.test(tag)) {
        breakLine();
        if (tag === 'li') say('- ');
      }
      if (tag === 'pre') preformatted += 1;
      const marked = attribute(attributes, 'itemprop');
      if (part === null && (marked === 'mri' || marked === 'copy' || marked === 'preview'))
        part = { tag, name: marked };
      continue;
    }
    if (tag === part?.tag) part = null;
    if (tag === mention) {
      mention = null;
      say('</at>');
    } else if (tag === 'blockquote') {
      if (frames.length > 1) close();
    } else if (BLOCK.test(tag)) breakLine();
    if (tag === 'pre') preformatted = Math.max(0, preformatted - 1);
  }
  while (frames.length > 1) close();
  return { text: tidy((frames[0] as Frame).text), quotes };
}

function frameOf(kind: Frame['kind']): Frame {
  return { kind, text: '', parts: { mri: '', copy: '', preview: '' } };
}

function quoteOf(kind: TeamsQuote['kind'], { text, parts }: Frame): TeamsQuote {
  const said = tidy(parts.copy) || tidy(parts.preview) || tidy(parts.mri === '' ? text : '');
  return { kind, name: tidy(parts.mri) || null, text: said };
}

/** Behind its `>`; -1: it is no tag. */
function endOfTag(html: string, start: number): number {
  if (!/[a-z/!]/i.test(html[start + 1] ?? '')) return -1;
  let quote = '';
  const last = Math.min(html.length, start + MAX_TAG_CHARACTERS);
  for (let at = start + 1; at < last; at += 1) {
    const sign = html[at] as string;
    if (quote !== '') quote = sign === quote ? '' : quote;
    else if (sign === '>') return at + 1;
    else if (sign === '"' || sign === "'") quote = sign;
  }
  return -1;
}

/** Pictures that people have sent come as attachments. */
function pictureOf(attributes: string): string {
  if (EMOJI.test(attributes)) return shownAs(attributes);
  return GIF.test(attributes) ? `[GIF: ${shownAs(attributes) || 'without words'}]` : '';
}

function shownAs(attributes: string): string {
  return attribute(attributes, 'alt').replaceAll('<', '&lt;');
}

function attribute(attributes: string, name: string): string {
  const [, double, single] =
    new RegExp(`(?:^|\\s)${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)')`, 'i').exec(attributes) ?? [];
  return double ?? single ?? '';
}

/** Breaks of lines and more than one blank mean nothing in HTML. */
function inLine(text: string, isAtStart: boolean): string {
  const line = text.replaceAll(/[ \t\r\n]+/g, ' ');
  return isAtStart ? line.trimStart() : line;
}

function tidy(text: string): string {
  const lines = text.split('\n').map((line) => line.trimEnd());
  return lines
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .replace(/^\n+/, '')
    .trimEnd();
}
