import type { JourneyKey, JourneyRecorder, JourneyStage } from '../core/journey.ts';

/** The way of one message through the pipeline. Times in ms since 1970, with fractions, and ms. */
export interface Journey {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly messageId: string;
  readonly threadId: string | null;
  readonly startedAtMs: number;
  readonly stages: readonly StageMark[];
  readonly outcome: 'running' | 'answered' | 'failed';
}

export interface StageMark {
  readonly stage: JourneyStage;
  readonly atMs: number;
  readonly durationMs: number | null;
  readonly detail?: string;
}

export interface Journeys extends JourneyRecorder {
  list(workspaceId: string, channelId: string): readonly Journey[];
  subscribe(listener: (journey: Journey) => void): () => void;
}

/** Records nothing: for production. */
export const noJourneys: JourneyRecorder = { mark() {} };

/** Keeps the journeys of the newest `capacity` messages in memory. */
export function createJourneys(capacity = 1_000): Journeys {
  const journeys = new Map<string, Journey>();
  const listeners = new Set<(journey: Journey) => void>();
  return {
    mark(key, stage, atMs, durationMs = null, detail) {
      const id = journeyId(key);
      const known = journeys.get(id);
      const mark: StageMark = { stage, atMs, durationMs, ...(detail === undefined ? {} : { detail }) };
      const journey = withMark(known ?? begin(key, atMs), mark);
      journeys.set(id, journey);
      if (journeys.size > capacity) journeys.delete(journeys.keys().next().value as string);
      for (const listener of listeners) listener(journey);
    },
    list: (workspaceId, channelId) =>
      [...journeys.values()].filter(
        (journey) => journey.workspaceId === workspaceId && journey.channelId === channelId,
      ),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

function begin(key: JourneyKey, atMs: number): Journey {
  return {
    workspaceId: key.externalId,
    channelId: key.channelId,
    messageId: key.messageId,
    threadId: key.threadId,
    startedAtMs: atMs,
    stages: [],
    outcome: 'running',
  };
}

/** A stage that comes again (a duplicate, another attempt) keeps its first mark. */
function withMark(journey: Journey, mark: StageMark): Journey {
  const isRepeated = journey.stages.some(({ stage }) => stage === mark.stage);
  const stages = isRepeated ? journey.stages : [...journey.stages, mark].sort((a, b) => a.atMs - b.atMs);
  return {
    ...journey,
    stages,
    startedAtMs: Math.min(journey.startedAtMs, mark.atMs),
    outcome: mark.stage === 'delivered' ? 'answered' : mark.stage === 'failed' ? 'failed' : journey.outcome,
  };
}

function journeyId(key: JourneyKey): string {
  return `${key.externalId}\n${key.channelId}\n${key.messageId}`;
}
