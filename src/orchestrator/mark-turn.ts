import type { JourneyRecorder, JourneyStage } from '../core/journey.ts';
import type { ClaimedTurn } from '../core/turn.ts';

/** Records a stage for every message that a turn answers. Times in ms since 1970 and ms. */
export function markTurn(
  journeys: JourneyRecorder,
  turn: ClaimedTurn,
  stage: JourneyStage,
  atMs: number,
  durationMs: number | null = null,
  detail?: string,
): void {
  const { externalId } = turn.connection;
  for (const message of turn.messages) {
    if (!message.ofTurn || message.externalId === null) continue;
    const key = {
      externalId,
      channelId: turn.channelId,
      messageId: message.externalId,
      threadId: turn.replyThreadId,
    };
    journeys.mark(key, stage, atMs, durationMs, detail);
  }
}
