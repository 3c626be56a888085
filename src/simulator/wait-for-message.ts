import type { ControlEvent, ControlMessage } from './control-api.ts';
import type { ViewMessage } from './control-view.ts';
import { SimulatorError } from './simulator-error.ts';
import type { Workspace } from './workspace.ts';

export interface MessageWait {
  readonly workspaces: ReadonlyMap<string, Workspace>;
  readonly viewMessage: ViewMessage;
  /** Hears everything that happens. */
  readonly listeners: Set<(event: ControlEvent) => void>;
  readonly predicate: (message: ControlMessage) => boolean;
  readonly timeoutMs: number;
  readonly signals: readonly (AbortSignal | undefined)[];
}

/**
 * The first message, already there or still to come or to be edited, for which the predicate holds.
 * @throws SimulatorError `timeout`, `stopped`
 */
export function waitForMessage(wait: MessageWait): Promise<ControlMessage> {
  const present = findPresent(wait);
  if (present) return Promise.resolve(present);
  const { promise, resolve, reject } = Promise.withResolvers<ControlMessage>();
  const deadline = AbortSignal.timeout(wait.timeoutMs);
  const ended = AbortSignal.any([deadline, ...wait.signals.filter((signal) => signal !== undefined)]);
  const listener = (event: ControlEvent) => {
    if (event.type !== 'message.posted' && event.type !== 'message.changed') return;
    try {
      if (wait.predicate(event.message)) resolve(event.message);
    } catch (error) {
      reject(error);
    }
  };
  const onEnd = () => {
    reject(
      deadline.aborted
        ? new SimulatorError('timeout', 504, `No such message within ${wait.timeoutMs} ms.`)
        : new SimulatorError('stopped', 503, 'The wait for a message was ended.'),
    );
  };
  ended.addEventListener('abort', onEnd, { once: true });
  if (ended.aborted) onEnd();
  wait.listeners.add(listener);
  return promise.finally(() => {
    wait.listeners.delete(listener);
    ended.removeEventListener('abort', onEnd);
  });
}

function findPresent({ workspaces, viewMessage, predicate }: MessageWait): ControlMessage | undefined {
  for (const workspace of workspaces.values()) {
    for (const channel of workspace.channels.values()) {
      for (const stored of channel.messages.values()) {
        const message = viewMessage(workspace, channel, stored);
        if (predicate(message)) return message;
      }
    }
  }
  return undefined;
}
