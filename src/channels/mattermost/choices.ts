import { createHmac } from 'node:crypto';
import type { Credentials } from '../../core/tenant.ts';
import { asRecord, asText, type JsonRecord } from '../read-json.ts';
import { type Scope, scopeOfType } from './ids.ts';

/** Mattermost sets no limit that people would reach; phones cut longer texts. */
export const BUTTONS = { max: 12, maxCharacters: 60 } as const;

/** What a button stands for, and where: all that is needed when it is pressed. */
export interface Choice {
  readonly channelId: string;
  /** The thread that its message stands in; empty: none. */
  readonly threadId: string;
  readonly scope: Scope;
  readonly place: number;
  readonly text: string;
}

const TYPES: Readonly<Record<Scope, string>> = { direct: 'D', group: 'G', channel: 'O' };

/**
 * Buttons below a post. Whoever presses one makes the server send the button's context to our address; people's clients
 * never see it. With it goes a proof that we have made it, as nobody signs those requests.
 *
 * Source: https://developers.mattermost.com/integrate/plugins/interactive-messages/
 */
export function choiceAttachments(
  choices: readonly string[],
  where: Pick<Choice, 'channelId' | 'threadId' | 'scope'>,
  address: string,
  key: string,
): readonly JsonRecord[] {
  const actions = choices.slice(0, BUTTONS.max).map((words, place) => {
    const text = asText(words); // as it will be read again
    const choice: Choice = { ...where, place, text };
    const { threadId, scope } = where;
    const context = {
      thread: threadId,
      type: TYPES[scope],
      place,
      choice: text,
      proof: proofOf(choice, key),
    };
    return { id: `choice${place}`, type: 'button', name: text, integration: { url: address, context } };
  });
  return [{ fallback: choices.join(' / '), actions }];
}

/** What the button stands for that was pressed; `null`: it is none of ours. */
export function pressedChoice(press: JsonRecord): { readonly choice: Choice; readonly proof: string } | null {
  const context = asRecord(press.context);
  const scope = scopeOfType(context?.type);
  const { place } = context ?? {};
  if (context === null || scope === null || typeof place !== 'number') return null;
  const text = asText(context.choice);
  const channelId = asText(press.channel_id);
  const proof = asText(context.proof);
  if (text === '' || proof === '') return null;
  return { choice: { channelId, threadId: asText(context.thread), scope, place, text }, proof };
}

/** Bound to the channel, so that a button's context is worth nothing in another one. */
export function proofOf({ channelId, threadId, scope, place, text }: Choice, key: string): string {
  const said = JSON.stringify([channelId, threadId, scope, place, text]);
  return createHmac('sha256', key).update(said).digest('base64url');
}

/** Derived from the token: there is nothing to store, all processes know it, and a new token brings a new one. */
export function pressKey({ botToken = '' }: Credentials, connectionId: string): string {
  return createHmac('sha256', botToken).update(`konstruct mattermost press ${connectionId}`).digest('hex');
}
