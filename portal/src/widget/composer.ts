import { icon } from './icon.ts';
import { element } from './render-markdown.ts';
import { words } from './words.ts';

export interface Composer {
  readonly root: HTMLFormElement;
  focus(): void;
}

/** As the server (src/channels/widget/parse.ts). */
const MAX_CHARACTERS = 8_000;
const MAX_HEIGHT_PX = 140;

/** Where the visitor writes: Enter sends, Shift and Enter begin a line, and an input method's own Enter is left to it. */
export function createComposer(say: (text: string) => void): Composer {
  const input = element('textarea', {
    'aria-label': words.message,
    placeholder: words.placeholder,
    rows: '1',
    maxlength: String(MAX_CHARACTERS),
    dir: 'auto',
    enterkeyhint: 'send',
  });
  const button = element('button', { type: 'submit', class: 'send', 'aria-label': words.send }, icon('send'));
  const root = element('form', {}, input, button);

  function fit(): void {
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, MAX_HEIGHT_PX)}px`;
    button.disabled = input.value.trim() === '';
  }

  function send(): void {
    const text = input.value.trim();
    if (text === '') return;
    input.value = '';
    fit();
    say(text);
  }

  button.disabled = true;
  input.addEventListener('input', fit);
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  root.addEventListener('submit', (event) => {
    event.preventDefault();
    send();
    input.focus();
  });
  return { root, focus: () => input.focus() };
}
