import type { FormattedText, TextEntity } from '../formatted-text.ts';

/** No character that anybody sees: with it behind the sign, a name is only a name. */
const APART = '\u200b';
/**
 * What Telegram makes a mention of by itself: no letter, digit or underscore stands before it, so an e-mail address is none.
 *
 * Source: https://github.com/tdlib/td/blob/master/td/telegram/MessageEntity.cpp, `match_mentions`
 */
const MENTION = /(?<![\p{L}\p{N}_])@(?=[A-Za-z0-9_])/gu;
const ADDRESS = /https?:\/\/[^\s<>"]+/gi;

/**
 * Takes the ring out of the names in a text: bots too call upon whomever they write `@name` of. Code stays as it is to the
 * last character, because Telegram finds no names there; in an address the sign is written by its number.
 */
export function muteMentions({ text, entities }: FormattedText): FormattedText {
  if (!text.includes('@')) return { text, entities };
  const code = entities.filter(({ type }) => type === 'code' || type === 'pre');
  const addresses = [...text.matchAll(ADDRESS)].map(({ index, 0: address }) => [
    index,
    index + address.length,
  ]);
  const added: { readonly at: number; readonly by: number }[] = [];
  const muted = text.replace(MENTION, (sign, at: number) => {
    if (code.some(({ offset, length }) => offset <= at && at + 1 < offset + length)) return sign;
    const isAddress = addresses.some(([from = 0, to = 0]) => from <= at && at < to);
    const written = isAddress ? '%40' : sign + APART;
    added.push({ at, by: written.length - 1 });
    return written;
  });
  const moved = (place: number): number =>
    added.reduce((moved, { at, by }) => (at < place ? moved + by : moved), place);
  return { text: muted, entities: entities.map((entity) => between(entity, moved)) };
}

function between(entity: TextEntity, moved: (place: number) => number): TextEntity {
  const offset = moved(entity.offset);
  return { ...entity, offset, length: moved(entity.offset + entity.length) - offset };
}
