import { Fragment, type ReactNode, useMemo } from 'react';
import { CopyButton } from '../copy-button.tsx';
import type { Block, Inline, ListItem, Notation } from './markdown-tree.ts';
import { parseMarkdown } from './parse-markdown.ts';
import './markdown.css';

interface MarkdownProps {
  readonly text: string;
  readonly notation: Notation;
  /** How a mention of a user is shown. */
  readonly mention: (userId: string) => ReactNode;
}

/** Shows a message's text. Everything becomes React elements, so nothing in it can become markup. */
export function Markdown({ text, notation, mention }: MarkdownProps) {
  const blocks = useMemo(() => parseMarkdown(text, notation), [text, notation]);
  return <div className="markdown">{showBlocks(blocks, mention)}</div>;
}

/** The page's own headings end at level 2. */
const headingTags = ['h3', 'h4', 'h5', 'h6'] as const;

type Mention = MarkdownProps['mention'];

// The parts of a parsed text never move on their own: their position is their identity.
function each<T>(items: readonly T[], show: (item: T) => ReactNode): ReactNode[] {
  return items.map((item, position) => <Fragment key={keyAt(position)}>{show(item)}</Fragment>);
}

function keyAt(position: number): string {
  return `part-${position}`;
}

function showBlocks(blocks: readonly Block[], mention: Mention): ReactNode {
  return each(blocks, (block) => showBlock(block, mention));
}

function showBlock(block: Block, mention: Mention): ReactNode {
  switch (block.type) {
    case 'paragraph':
      return <p>{showInline(block.children, mention)}</p>;
    case 'heading': {
      const Heading = headingTags[block.level - 1] ?? 'h6';
      return (
        <Heading className={`markdown-heading-${block.level}`}>{showInline(block.children, mention)}</Heading>
      );
    }
    case 'code':
      return (
        <figure className="markdown-code">
          <figcaption>
            <span>{block.language || 'text'}</span>
            <CopyButton text={block.text} />
          </figcaption>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard */}
          <pre tabIndex={0}>
            <code>{block.text}</code>
          </pre>
        </figure>
      );
    case 'quote':
      return <blockquote>{showBlocks(block.blocks, mention)}</blockquote>;
    case 'list':
      return block.ordered ? (
        <ol start={block.start}>{showItems(block.items, mention)}</ol>
      ) : (
        <ul>{showItems(block.items, mention)}</ul>
      );
    case 'table':
      return (
        <div className="markdown-table">
          <table>
            <thead>
              <tr>
                {block.header.map((cell, column) => (
                  <th key={keyAt(column)} scope="col" className={`align-${block.align[column] ?? 'start'}`}>
                    {showInline(cell, mention)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {block.rows.map((row, line) => (
                <tr key={keyAt(line)}>
                  {row.map((cell, column) => (
                    <td key={keyAt(column)} className={`align-${block.align[column] ?? 'start'}`}>
                      {showInline(cell, mention)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    case 'rule':
      return <hr />;
  }
}

function showItems(items: readonly ListItem[], mention: Mention): ReactNode {
  return items.map((item, position) => (
    <li key={keyAt(position)} className={item.done === null ? undefined : 'markdown-task'}>
      {item.done !== null && (
        <input
          type="checkbox"
          checked={item.done}
          readOnly
          disabled
          aria-label={item.done ? 'done' : 'to do'}
        />
      )}
      <div>{showBlocks(item.blocks, mention)}</div>
    </li>
  ));
}

function showInline(parts: readonly Inline[], mention: Mention): ReactNode {
  return each(parts, (part): ReactNode => {
    switch (part.type) {
      case 'text':
        return part.text;
      case 'strong':
        return <strong>{showInline(part.children, mention)}</strong>;
      case 'emphasis':
        return <em>{showInline(part.children, mention)}</em>;
      case 'strike':
        return <s>{showInline(part.children, mention)}</s>;
      case 'code':
        return <code>{part.text}</code>;
      case 'link':
        return (
          <a href={part.href} target="_blank" rel="noreferrer noopener">
            {showInline(part.children, mention)}
          </a>
        );
      case 'mention':
        return mention(part.userId);
      case 'break':
        return <br />;
    }
  });
}
