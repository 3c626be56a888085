import type { Block, Inline, ListItem } from '../design/markdown/markdown-tree.ts';
import { parseMarkdown } from '../design/markdown/parse-markdown.ts';
import { words } from './words.ts';

/** Beside elements, text is the only thing there is: nothing that a model writes can become markup. */
type Child = Node | string;

/** Makes elements of what an agent writes. Links lead to http, https or mail, in a tab of their own that knows nothing of ours. */
export function renderMarkdown(text: string): readonly Node[] {
  return parseMarkdown(text).map(renderBlock);
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** The chat's own title is a heading of level 2. */
const headingTags = ['h3', 'h4', 'h5', 'h6'] as const;

function renderBlock(block: Block): Node {
  switch (block.type) {
    case 'paragraph':
      return element('p', { dir: 'auto' }, ...renderInlines(block.children));
    case 'heading':
      return element(headingTags[block.level - 1] ?? 'h6', { dir: 'auto' }, ...renderInlines(block.children));
    case 'code':
      // A box that scrolls must be reachable by keyboard.
      return element('pre', { tabindex: '0', dir: 'ltr' }, element('code', {}, block.text));
    case 'quote':
      return element('blockquote', { dir: 'auto' }, ...block.blocks.map(renderBlock));
    case 'list':
      return block.ordered
        ? element('ol', { start: String(block.start), dir: 'auto' }, ...block.items.map(renderItem))
        : element('ul', { dir: 'auto' }, ...block.items.map(renderItem));
    case 'table': {
      const cellsOf = (tag: 'th' | 'td', cells: readonly (readonly Inline[])[]) =>
        cells.map((cell, column) =>
          element(tag, { 'data-align': block.align[column] ?? 'start', dir: 'auto' }, ...renderInlines(cell)),
        );
      const head = element('thead', {}, element('tr', {}, ...cellsOf('th', block.header)));
      const rows = block.rows.map((row) => element('tr', {}, ...cellsOf('td', row)));
      const table = element('table', {}, head, element('tbody', {}, ...rows));
      return element('div', { class: 'table', tabindex: '0' }, table);
    }
    case 'rule':
      return element('hr');
  }
}

function renderItem({ done, blocks }: ListItem): Node {
  const mark = done === null ? [] : [done ? '☑ ' : '☐ '];
  const [first, ...rest] = blocks;
  // The first line of an item stands beside its mark, and not in a paragraph below it.
  const line =
    first?.type === 'paragraph' ? renderInlines(first.children) : first ? [renderBlock(first)] : [];
  return element('li', {}, ...mark, ...line, ...rest.map(renderBlock));
}

function renderInlines(parts: readonly Inline[]): readonly Child[] {
  return parts.map(renderInline);
}

function renderInline(part: Inline): Child {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'strong':
      return element('strong', {}, ...renderInlines(part.children));
    case 'emphasis':
      return element('em', {}, ...renderInlines(part.children));
    case 'strike':
      return element('s', {}, ...renderInlines(part.children));
    case 'code':
      return element('code', {}, part.text);
    case 'link':
      return element(
        'a',
        { href: part.href, target: '_blank', rel: 'noopener noreferrer nofollow' },
        ...renderInlines(part.children),
        element('span', { class: 'quiet' }, ` ${words.newTab}`),
      );
    case 'mention':
      return `@${part.userId}`;
    case 'break':
      return element('br');
  }
}
