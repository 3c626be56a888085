import type { DeliveryAbilities } from '../core/delivery.ts';
import type { AnswerFile } from '../core/turn.ts';
import { asCodeBlock } from './place-files.ts';
import type { RoundCall } from './turn-transcript.ts';

/** What goes with the text of an answer. */
export interface AnswerExtras {
  readonly choices: readonly string[];
  readonly files: readonly AnswerFile[];
}

export const noExtras: AnswerExtras = { choices: [], files: [] };

/** An answer as it is recorded and as it is sent. */
export interface ComposedAnswer {
  /** For our own record, which the model reads in later turns: with all choices, whoever shows them. */
  readonly record: string;
  /** What is sent as text. */
  readonly text: string;
  /** Buttons below it. */
  readonly choices: readonly string[];
  readonly files: readonly AnswerFile[];
}

/** What the calls of a turn have made for its answer: the choices of the last that offered some, and all files. */
export function extrasOf(calls: readonly RoundCall[]): AnswerExtras {
  const offers = calls.filter(
    ({ call, result }) => call.name === 'offer_choices' && result?.isError === false,
  );
  const offered = offers.at(-1)?.call.input?.choices;
  return {
    choices: Array.isArray(offered) ? oneLined(offered) : [],
    files: calls.flatMap(({ files }) => files),
  };
}

/**
 * Puts an answer together as the platform can show it. Choices that do not all fit on buttons are written out as a numbered
 * list as well, so that none is lost, and so are short files where none can be sent.
 */
export function composeAnswer(
  text: string,
  { choices, files }: AnswerExtras,
  { buttons, outgoingBytes }: Pick<DeliveryAbilities, 'buttons' | 'outgoingBytes'>,
): ComposedAnswer {
  const shown = buttons === null ? [] : buttonsOf(choices, buttons);
  const fits = choices.length === shown.length && choices.every((choice, index) => choice === shown[index]);
  const list = choices.map((choice, index) => `${index + 1}. ${choice}`).join('\n');
  const blocks = outgoingBytes === null ? files.map(asCodeBlock) : [];
  const names = files.map(({ name }) => name).join(', ');
  return {
    record: joined([
      text,
      ...blocks,
      blocks.length === 0 && names !== '' ? `[sent with it: ${names}]` : '',
      list,
    ]),
    text: joined([text, ...blocks, fits ? '' : list]),
    choices: shown,
    files: outgoingBytes === null ? [] : files,
  };
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n\n');
}

/** The first that there is room for, cut where they are too long for a button; each once. */
function buttonsOf(
  choices: readonly string[],
  { max, maxCharacters }: NonNullable<DeliveryAbilities['buttons']>,
): readonly string[] {
  const cut = choices.map((choice) =>
    choice.length <= maxCharacters
      ? choice
      : `${choice
          .slice(0, maxCharacters - 1)
          .toWellFormed()
          .trimEnd()}…`,
  );
  return [...new Set(cut)].slice(0, max);
}

function oneLined(choices: readonly unknown[]): readonly string[] {
  const lines = choices.map((choice) =>
    String(choice)
      .replaceAll(/[\p{C}\p{Z}]+/gu, ' ')
      .trim(),
  );
  return [...new Set(lines.filter((line) => line !== ''))];
}
