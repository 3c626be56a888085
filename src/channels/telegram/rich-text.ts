import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { placeText } from './attachments.ts';
import { asInteger } from './ids.ts';

/** Telegram allows 32,768 characters, and 500 blocks of 16 levels; formatting within formatting comes on top of these. */
const MAX_CHARACTERS = 32_768;
const MAX_BLOCKS = 500;
const MAX_DEPTH = 32;

/** A rich message as one text with entities, as other messages have them. */
export interface FlatText {
  readonly text: string;
  readonly entities: readonly JsonRecord[];
  /** Blocks that may hold a file, in the fields in which messages have it. */
  readonly media: readonly JsonRecord[];
}

/**
 * Flattens what people paste with its formatting, and what bots post. Headings, lists, quotes, code and tables become what
 * they are in markdown; what is not known is read for its text.
 *
 * Source: https://core.telegram.org/bots/api#richmessage
 */
export function flattenRichMessage(message: JsonRecord): FlatText {
  const writer = new RichTextWriter();
  writer.blocks(message.blocks, '\n\n', 0);
  return writer;
}

class RichTextWriter implements FlatText {
  text = '';
  readonly entities: JsonRecord[] = [];
  readonly media: JsonRecord[] = [];
  #blocks = 0;
  /** What each line begins with, within quotes and lists. */
  #prefix = '';
  /** Stands before what is written next; if nothing comes, nowhere. */
  #separator = '';

  blocks(value: unknown, separator: string, depth: number): void {
    this.#each(asRecords(value), separator, (block) => {
      if (this.#blocks === MAX_BLOCKS || depth > MAX_DEPTH) return;
      this.#blocks += 1;
      this.#block(block, depth + 1);
    });
  }

  #block(block: JsonRecord, depth: number): void {
    switch (block.type) {
      case 'heading':
        this.#write(`${'#'.repeat(Math.min(Math.max(asInteger(block.size) ?? 1, 1), 6))} `);
        this.#inline(block.text, depth);
        break;
      case 'pre':
        this.#write(`\`\`\`${asText(block.language)}\n`);
        this.#inline(block.text, depth);
        this.#write('\n```');
        break;
      case 'divider':
        this.#write('---');
        break;
      case 'list':
        this.#each(asRecords(block.items), '\n', (item) => this.#item(item, depth));
        break;
      case 'blockquote':
      case 'expandable_blockquote':
      case 'pullquote':
        this.#indented('> ', '> ', () => this.#content(block, depth));
        break;
      case 'table':
        this.#table(block, depth);
        break;
      case 'map':
        this.#parts([
          () => this.#write(`[location: ${placeText(asRecord(block.location))}]`),
          () => this.#content(block, depth),
        ]);
        break;
      case 'buttons':
        this.#each(asRecords(block.buttons), ' ', (button) => this.#button(button, depth));
        break;
      default:
        this.media.push(block);
        this.#content(block, depth);
    }
  }

  /** The fields that blocks have their words in, of whatever type they are. */
  #content(block: JsonRecord, depth: number): void {
    const caption = asRecord(block.caption);
    this.#parts([
      () => this.#inline(block.summary ?? block.text ?? block.expression, depth),
      () => this.blocks(block.blocks, '\n', depth),
      () => this.#inline(caption?.text ?? block.caption, depth),
      () => this.#inline(caption?.credit ?? block.credit, depth),
    ]);
  }

  #item(item: JsonRecord, depth: number): void {
    const box = item.has_checkbox === true ? `[${item.is_checked === true ? 'x' : ' '}] ` : '';
    const label = asText(item.label);
    this.#indented(`${/^\w/.test(label) ? label : '-'} ${box}`, '  ', () =>
      this.blocks(item.blocks, '\n', depth),
    );
  }

  #table(block: JsonRecord, depth: number): void {
    const rows = Array.isArray(block.cells) ? block.cells.map(asRecords) : [];
    this.#parts([
      () => this.#inline(block.caption, depth),
      () =>
        this.#each(rows, '\n', (cells) =>
          this.#each(cells, ' | ', ({ text }) => this.#inline(text ?? '–', depth)),
        ),
    ]);
  }

  #button(button: JsonRecord, depth: number): void {
    this.#write('[');
    this.#inline(button.text, depth);
    this.#write(']');
  }

  #inline(value: unknown, depth: number): void {
    if (depth > MAX_DEPTH) return;
    if (typeof value === 'string') this.#write(value);
    if (Array.isArray(value)) for (const part of value) this.#inline(part, depth + 1);
    const part = asRecord(value);
    if (part === null) return;
    const inner = () => this.#inline(part.text, depth + 1);
    switch (part.type) {
      case 'mention':
        this.#entity({ type: 'mention' }, () => this.#write(`@${asText(part.username).replace(/^@/, '')}`));
        break;
      case 'text_mention':
        this.#entity({ type: 'text_mention', user: part.user }, inner);
        break;
      case 'url':
        this.#entity({ type: 'text_link', url: part.url }, inner);
        break;
      case 'bot_command':
        this.#entity({ type: 'bot_command' }, inner);
        break;
      case 'custom_emoji':
        this.#write(asText(part.alternative_text));
        break;
      case 'mathematical_expression':
        this.#write(asText(part.expression));
        break;
      case 'button':
        this.#button(asRecord(part.button) ?? {}, depth + 1);
        break;
      default:
        inner();
    }
  }

  /** Of one within another the inner one counts: a link around a mention must not hide it. */
  #entity(entity: JsonRecord, write: () => void): void {
    this.#flush();
    const offset = this.text.length;
    const before = this.entities.length;
    write();
    if (this.entities.length === before)
      this.entities.push({ ...entity, offset, length: this.text.length - offset });
    else if (entity.type === 'text_link') this.#write(` (${asText(entity.url)})`);
  }

  #parts(parts: readonly (() => void)[]): void {
    this.#each(parts, '\n', (write) => write());
  }

  /** What writes nothing is not set apart either. */
  #each<Item>(items: readonly Item[], separator: string, write: (item: Item) => void): void {
    const start = this.text.length;
    for (const item of items) {
      if (this.text.length > start) this.#separator = separator;
      write(item);
    }
  }

  #indented(beginning: string, prefix: string, write: () => void): void {
    this.#write(beginning);
    const outer = this.#prefix;
    this.#prefix += prefix;
    write();
    this.#prefix = outer;
  }

  #write(text: string): void {
    if (text === '') return;
    this.#flush();
    const left = MAX_CHARACTERS - this.text.length;
    if (left > 0) this.text += text.replaceAll('\n', `\n${this.#prefix}`).slice(0, left);
  }

  #flush(): void {
    const separator = this.#separator;
    this.#separator = '';
    this.#write(separator);
  }
}
