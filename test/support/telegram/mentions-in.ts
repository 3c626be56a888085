import type { Entity } from './telegram-world.ts';

/** As Telegram itself looks for them. Source: https://github.com/tdlib/td, `match_mentions` */
const MENTION = /(?<![\p{L}\p{N}_])@[A-Za-z0-9_]{2,32}(?![\p{L}\p{N}_])/gu;

/** Names that Telegram finds in a text by itself: what overlaps code is none. */
export function mentionsIn({
  text,
  entities = [],
}: {
  readonly text: string;
  readonly entities?: readonly Entity[];
}): readonly string[] {
  const code = entities.filter(({ type }) => type === 'code' || type === 'pre');
  return [...text.matchAll(MENTION)]
    .filter(({ index, 0: name }) =>
      code.every(({ offset, length }) => index + name.length <= offset || offset + length <= index),
    )
    .map(([name]) => name);
}
