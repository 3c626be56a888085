/** A stretch of a text that is shown in its own way. Offsets and lengths count UTF-16 units, as JavaScript does. */
export interface TextEntity {
  readonly type: 'bold' | 'italic' | 'strikethrough' | 'code' | 'pre' | 'text_link' | 'blockquote';
  readonly offset: number;
  readonly length: number;
  /** Of a `text_link`. */
  readonly url?: string;
  /** Of a `pre`. */
  readonly language?: string;
}

export interface FormattedText {
  readonly text: string;
  readonly entities: readonly TextEntity[];
}

export type Style = 'bold' | 'italic' | 'strikethrough';

/**
 * Collects text and its entities. Code takes no other style: around it, open styles are closed and opened again, and around
 * blocks of it the quote. So no sign of a quote comes into code, and on every platform it is read as such.
 */
export class FormattedTextBuilder {
  #text = '';
  readonly #entities: TextEntity[] = [];
  readonly #styles = new Map<Style, number>();
  /** Where the quote that is open began; `null`: none is. */
  #quotedFrom: number | null = null;

  append(text: string): void {
    this.#text += text;
  }

  /** Runs `write` with the style on; inside of itself a style changes nothing. */
  styled(style: Style, write: () => void): void {
    if (this.#styles.has(style)) {
      write();
      return;
    }
    this.#styles.set(style, this.#text.length);
    write();
    this.#close(style);
    this.#styles.delete(style);
  }

  code(text: string): void {
    for (const style of this.#styles.keys()) this.#close(style);
    this.#enclose({ type: 'code' }, () => this.append(text));
    for (const style of this.#styles.keys()) this.#styles.set(style, this.#text.length);
  }

  pre(text: string, language: string): void {
    const isQuoted = this.#quotedFrom !== null;
    this.#closeQuote();
    this.#enclose({ type: 'pre', ...(language === '' ? {} : { language }) }, () => this.append(text));
    if (isQuoted) this.#quotedFrom = this.#text.length;
  }

  link(url: string, write: () => void): void {
    this.#enclose({ type: 'text_link', url }, write);
  }

  blockquote(write: () => void): void {
    this.#quotedFrom = this.#text.length;
    write();
    this.#closeQuote();
  }

  /** Entities in order; if there are more than `maxEntities`, code and links are kept rather than emphasis. */
  build(maxEntities = Number.POSITIVE_INFINITY): FormattedText {
    let entities = this.#entities;
    if (entities.length > maxEntities) {
      const kept = [...entities].sort((a, b) => weight(b) - weight(a) || a.offset - b.offset);
      entities = kept.slice(0, maxEntities);
    }
    // What encloses another is added after it: of two that are as long, it goes first.
    entities = [...entities].reverse().sort((a, b) => a.offset - b.offset || b.length - a.length);
    return { text: this.#text, entities };
  }

  #close(style: Style): void {
    const offset = this.#styles.get(style) ?? this.#text.length;
    this.#add({ type: style, offset, length: this.#text.length - offset });
  }

  /** Line breaks that only part it from code are not quoted. */
  #closeQuote(): void {
    const from = this.#quotedFrom;
    this.#quotedFrom = null;
    if (from === null) return;
    let [offset, end] = [from, this.#text.length];
    while (this.#text[offset] === '\n') offset += 1;
    while (this.#text[end - 1] === '\n') end -= 1;
    this.#add({ type: 'blockquote', offset, length: end - offset });
  }

  #enclose(entity: Omit<TextEntity, 'offset' | 'length'>, write: () => void): void {
    const offset = this.#text.length;
    write();
    this.#add({ ...entity, offset, length: this.#text.length - offset });
  }

  #add(entity: TextEntity): void {
    if (entity.length > 0) this.#entities.push(entity);
  }
}

function weight({ type }: TextEntity): number {
  switch (type) {
    case 'pre':
      return 3;
    case 'code':
    case 'text_link':
      return 2;
    case 'blockquote':
      return 1;
    default:
      return 0;
  }
}
