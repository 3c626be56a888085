import { KonstructError } from '../../core/errors.ts';
import type { Mailbox, MailboxPost, MailboxRef } from '../../core/mailbox.ts';
import type {
  ConnectionAccess,
  OutboundEdit,
  OutboundMessage,
  OutboundRemoval,
  PostedMessage,
  ThreadTarget,
} from '../../core/outbound.ts';
import { callMailbox, type MailboxCallOptions, rejected } from './call-mailbox.ts';
import { MIN_SECRET_CHARACTERS } from './identity-token.ts';

export interface Sending extends MailboxCallOptions {
  readonly mailbox: Mailbox;
}

/** Puts a message into the visitor's mailbox. */
export async function postMessage(
  { mailbox, ...options }: Sending,
  access: ConnectionAccess,
  message: OutboundMessage,
  signal: AbortSignal,
): Promise<PostedMessage> {
  const method = 'post';
  const box = boxOf(access, message.target, method);
  const { mayStillSend } = message;
  const work = () => mailbox.append(box, toPost(message));
  const posted = await callMailbox(options, { method, isRepeatable: false, mayStillSend, work }, signal);
  if (posted === null) throw rejected(method, 'channel_not_found');
  return posted;
}

/** Replaces a message. It carries the edit's marker from then on, and stands for an answer unless the edit says otherwise. */
export async function editMessage(
  { mailbox, ...options }: Sending,
  access: ConnectionAccess,
  message: OutboundEdit,
  signal: AbortSignal,
): Promise<void> {
  const method = 'edit';
  const box = boxOf(access, message.target, method);
  const { mayStillSend, messageId } = message;
  const work = () => mailbox.change(box, messageId, toPost(message));
  const found = await callMailbox(options, { method, isRepeatable: true, mayStillSend, work }, signal);
  if (!found) throw rejected(method, 'message_not_found');
}

export async function removeMessage(
  { mailbox, ...options }: Sending,
  access: ConnectionAccess,
  { target, messageId, mayStillSend }: OutboundRemoval,
  signal: AbortSignal,
): Promise<void> {
  const method = 'remove';
  const box = boxOf(access, target, method);
  const work = () => mailbox.remove(box, messageId);
  await callMailbox(options, { method, isRepeatable: true, mayStillSend, work }, signal);
}

/** Takes the buttons below a message away: one of them was pressed. */
export async function endChoices(
  { mailbox, ...options }: Sending,
  access: ConnectionAccess,
  target: ThreadTarget,
  messageId: string,
  signal: AbortSignal,
): Promise<void> {
  const method = 'endChoices';
  const box = boxOf(access, target, method);
  const work = () => mailbox.change(box, messageId, { choices: [] });
  await callMailbox(options, { method, isRepeatable: true, work }, signal);
}

export async function findMessage(
  { mailbox, ...options }: Sending,
  access: ConnectionAccess,
  target: ThreadTarget,
  marker: string,
  signal: AbortSignal,
): Promise<PostedMessage | null> {
  const method = 'find';
  const box = boxOf(access, target, method);
  const work = () => mailbox.find(box, marker);
  return callMailbox(options, { method, isRepeatable: true, work }, signal);
}

/**
 * A secret that is too short to be believed lets nobody in, and nothing out.
 * @throws KonstructError `platform_rejected`
 */
export function boxOf(
  { connectionId, credentials }: ConnectionAccess,
  { channelId }: ThreadTarget,
  method: string,
): MailboxRef {
  if ((credentials.secret ?? '').length < MIN_SECRET_CHARACTERS) throw rejected(method, 'secret_too_short');
  return { connectionId, channelId };
}

/** @throws KonstructError `internal`: whoever opened the channel only wanted to look at it */
export function requireMailbox(mailbox: Mailbox | undefined): Mailbox {
  if (mailbox === undefined)
    throw new KonstructError('internal', 'The channel was opened without a mailbox.');
  return mailbox;
}

function toPost(message: OutboundMessage): MailboxPost {
  return {
    markdown: message.markdown,
    choices: message.choices ?? [],
    marker: message.marker.deliveryId,
    authorName: message.author?.name ?? null,
    isProvisional: message.isProvisional ?? false,
    isAnswer: message.isAnswer ?? false,
  };
}
