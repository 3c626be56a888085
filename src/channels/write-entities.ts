import type { FormattedText, TextEntity } from './formatted-text.ts';

/** A platform's way of writing formatting into a text. */
export interface EntityStyle {
  /** Text between entities; `isCode`: within code. */
  plain(text: string, isCode: boolean): string;
  /** What an entity makes of what was written for the text within it, between the characters around it. */
  enclose(entity: TextEntity, inner: string, before: string, after: string): string;
}

/** Writes a text with entities into one text. Entities are in order, and one is inside of another or apart from it. */
export function writeEntities({ text, entities }: FormattedText, style: EntityStyle): string {
  const write = (within: readonly TextEntity[], from: number, to: number, isCode: boolean): string => {
    let written = '';
    let at = from;
    for (let index = 0; index < within.length; ) {
      const entity = within[index] as TextEntity;
      const end = entity.offset + entity.length;
      let next = index + 1;
      while (next < within.length && (within[next] as TextEntity).offset < end) next += 1;
      const isCodeInside = isCode || entity.type === 'pre' || entity.type === 'code';
      const inner = write(within.slice(index + 1, next), entity.offset, end, isCodeInside);
      written += style.plain(text.slice(at, entity.offset), isCode);
      written += style.enclose(entity, inner, text[entity.offset - 1] ?? '', text[end] ?? '');
      at = end;
      index = next;
    }
    return written + style.plain(text.slice(at, to), isCode);
  };
  return write(entities, 0, text.length, false);
}
