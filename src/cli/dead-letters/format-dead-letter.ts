import { errorTable } from '../../core/errors.ts';
import type { DeadLetterLog, LoggedDelivery, LoggedMessage } from '../../stores/dead-letter-log.ts';
import type { DeadLetter } from '../../stores/dead-letters.ts';

/** A log whose texts may have been left out. */
export interface ShownLog {
  readonly messages: readonly (Omit<LoggedMessage, 'text'> & { readonly text?: string })[];
  readonly steps: DeadLetterLog['steps'];
  readonly deliveries: readonly (Omit<LoggedDelivery, 'text'> & { readonly text?: string | null })[];
}

/** A dead letter for people to read. */
export function formatDeadLetter(letter: DeadLetter, { messages, steps, deliveries }: ShownLog): string {
  const entry = (errorTable as Readonly<Record<string, { meaning: string; remedy: string }>>)[letter.reason];
  const lines = [
    `Dead letter ${letter.id}${letter.status === 'discarded' ? ' (discarded)' : ''}`,
    `  reason      ${letter.reason}${entry === undefined ? '' : `: ${entry.meaning}`}`,
    ...(entry === undefined ? [] : [`              ${entry.remedy}`]),
    ...(letter.details === null ? [] : [`  details     ${JSON.stringify(letter.details)}`]),
    `  tenant      ${letter.tenant}`,
    `  agent       ${letter.agent ?? 'removed'}`,
    `  connection  ${letter.channel} ${letter.connection}${letter.connectionStatus === 'disabled' ? ' (disabled)' : ''}`,
    `  channel     ${letter.channelId}, thread ${letter.threadId ?? 'none'}`,
    `  began       ${letter.startedAt.toISOString()}`,
    `  died        ${letter.diedAt.toISOString()}`,
    `  work        ${count(letter.modelCalls, 'model call')}, ${letter.modelMs} ms together`,
    `  told        ${letter.told === null ? 'unknown' : letter.told ? 'the thread says so' : 'the thread does not say so'}`,
    `  replay      ${letter.answerStored ? 'delivers the stored answer again' : 'asks the model again'}`,
    'Messages',
    ...messages.flatMap((message) => [
      `  ${message.messageId ?? '-'}  ${message.sentAt.toISOString()}  ${message.senderName ?? message.senderId}${message.deleted ? '  (deleted)' : ''}`,
      ...quote(message.text),
    ]),
    'Steps',
    ...steps.flatMap(({ position, kind, outcome, provider, model, startedAt, durationMs, detail }) => [
      `  ${position}  ${startedAt.toISOString()}  ${kind}  ${outcome}  ${kind === 'tool' ? String(detail.name) : `${provider ?? '-'} ${model ?? '-'}`}  ${durationMs} ms`,
      ...attemptLines(detail),
    ]),
    'Deliveries',
    ...deliveries.flatMap(({ kind, position, status, messageId, error, text }) => [
      `  ${kind} ${position + 1}  ${status}  ${messageId ?? '-'}${error === null ? '' : `  ${error}`}`,
      ...quote(text ?? undefined),
    ]),
  ];
  return lines.join('\n');
}

function attemptLines({ attempts }: Readonly<Record<string, unknown>>): string[] {
  if (!Array.isArray(attempts)) return [];
  return (attempts as readonly Readonly<Record<string, unknown>>[]).map(
    ({ provider, model, outcome, status, errorType, durationMs }) =>
      `       ${provider} ${model}: ${[outcome, status, errorType].filter((word) => word != null).join(' ')}, ${durationMs} ms`,
  );
}

function quote(text: string | undefined): string[] {
  return text === undefined ? [] : text.split('\n').map((line) => `     | ${line}`);
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`;
}
