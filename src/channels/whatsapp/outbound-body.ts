import type { JsonRecord } from '../read-json.ts';
import { renderForWhatsApp } from './render-for-whatsapp.ts';

/** What stands where a text has nothing to show: WhatsApp refuses an empty message. */
const NOTHING = '…';

/**
 * Buttons below a message. Up to three are shown as such, up to ten open from a list.
 *
 * Sources: https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/interactive-reply-buttons-messages,
 * https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/interactive-list-messages
 */
export const BUTTONS = { max: 10, maxCharacters: 20 } as const;
const SHOWN_BUTTONS = 3;
/** The longest text above shown buttons; above a list it may be as long as any. */
const TEXT_WITH_BUTTONS = 1_024;

/** A text, with choices below it if there are any, as the type and body of a message. */
export function textBody(markdown: string, choices: readonly string[] = []): JsonRecord {
  const text = shownText(markdown);
  if (choices.length === 0) return { type: 'text', text: { body: text, preview_url: false } };
  // WhatsApp wants every title once; which of two equal ones was meant nobody could say.
  const titles = [...new Set(choices)].slice(0, BUTTONS.max);
  const asButtons = titles.length <= SHOWN_BUTTONS && text.length <= TEXT_WITH_BUTTONS;
  const action = asButtons
    ? { buttons: titles.map((title, index) => ({ type: 'reply', reply: { id: `choice-${index}`, title } })) }
    : {
        button: 'Choose',
        sections: [{ rows: titles.map((title, index) => ({ id: `choice-${index}`, title })) }],
      };
  return {
    type: 'interactive',
    interactive: { type: asButtons ? 'button' : 'list', body: { text }, action },
  };
}

export function shownText(markdown: string): string {
  const text = renderForWhatsApp(markdown);
  return text.trim() === '' ? NOTHING : text;
}

/** The longest value of a template's variable that is sent; its whole text may have 1,024 characters. */
const TEMPLATE_TEXT = 900;

/**
 * A text as the one variable of a template. WhatsApp takes no line breaks in it; who wants all of it asks, which opens
 * the chat for free words again.
 *
 * Source: https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/overview
 *
 * @param template name and language: `late_answer/en`
 */
export function templateBody(template: string, markdown: string): JsonRecord {
  const [name, code] = template.split('/', 2);
  const line = shownText(markdown).replaceAll(/\s+/g, ' ').trim();
  const text =
    line.length <= TEMPLATE_TEXT ? line : `${line.slice(0, TEMPLATE_TEXT).toWellFormed().trimEnd()}…`;
  const components = [{ type: 'body', parameters: [{ type: 'text', text }] }];
  return { type: 'template', template: { name, language: { code }, components } };
}
