import type { ControlMessage, Journey } from '../../../../src/simulator/control-api.ts';

/** How far the clocks of a message and of its journey may be apart: one is rounded to whole ms. */
const ROUNDING_MS = 5;

/**
 * Whether a message of the agent is not its answer yet: it says that the agent is at work, or shows what has been written
 * so far, while a journey of the same conversation is not through.
 */
export function isUnfinished(message: ControlMessage, journeys: readonly Journey[]): boolean {
  if (!message.isAgent) return false;
  return journeys.some(
    (journey) =>
      journey.outcome === 'running' &&
      journey.channelId === message.channelId &&
      journey.workspaceId === message.workspaceId &&
      (message.threadId ?? null) ===
        (message.threadId === null ? journey.threadId : conversationOf(journey)) &&
      message.sentAtMs >= journey.startedAtMs - ROUNDING_MS &&
      !journey.stages.some(({ stage }) => stage === 'delivered' || stage === 'failed'),
  );
}

function conversationOf({ threadId, messageId }: Journey): string {
  return threadId ?? messageId;
}
