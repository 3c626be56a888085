import type { Rating } from './conversation.ts';
import { icon } from './icon.ts';
import { element } from './render-markdown.ts';
import { words } from './words.ts';

export interface RatingButtons {
  readonly root: HTMLElement;
  /** Brought up to date in place: a message that is put in anew would be read out again, and lose the focus. */
  show(rating: Rating | null, problem: string | null): void;
}

/** 👍 and 👎 under an answer: one of them, or neither. */
export function createRatingButtons(rate: (rating: Rating | null) => void): RatingButtons {
  let shown: Rating | null = null;
  const thumbOf = (rating: Rating, label: string): HTMLButtonElement => {
    const button = element(
      'button',
      { type: 'button', 'aria-label': label, title: label, 'aria-pressed': 'false' },
      icon(rating === 'up' ? 'like' : 'dislike'),
    );
    button.addEventListener('click', () => rate(shown === rating ? null : rating));
    return button;
  };
  const up = thumbOf('up', words.goodAnswer);
  const down = thumbOf('down', words.badAnswer);
  const status = element('span', { role: 'status' });
  const root = element('div', { class: 'rating', role: 'group', 'aria-label': words.rate }, up, down, status);
  return {
    root,
    show(rating, problem) {
      shown = rating;
      up.setAttribute('aria-pressed', String(rating === 'up'));
      down.setAttribute('aria-pressed', String(rating === 'down'));
      if (status.textContent !== (problem ?? '')) status.textContent = problem ?? '';
    },
  };
}
