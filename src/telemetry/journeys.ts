import type { JourneyKey, JourneyRecorder, JourneyStage } from '../core/journey.ts';

export interface Journey {
  readonly workspaceId: string;
  readonly channelId: string;
  readonly messageId: string;
  readonly startedAtMs: number;
  readonly stages: readonly StageMark[];
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

/** Keeps the journeys of the last messages in memory, newest `capacity` of them. */
export function createJourneys(capacity = 1_000): Journeys {
  const journeys = new Map<string, Journey>();
  const listeners = new Set<(journey: Journey) => void>();
  return {
    mark(key, stage, atMs, durationMs = null, detail) {
      const id = journeyId(key);
      const known = journeys.get(id);
      if (known?.stages.some((mark) => mark.stage === stage)) return; // a duplicate, or a retry of the same stage
      const mark: StageMark = { stage, atMs, durationMs, ...(detail === undefined ? {} : { detail }) };
      const journey: Journey = known
        ? { ...known, stages: [...known.stages, mark].sort((a, b) => a.atMs - b.atMs) }
        : {
            workspaceId: key.externalId,
            channelId: key.channelId,
            messageId: key.messageId,
            startedAtMs: atMs,
            stages: [mark],
          };
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

function journeyId(key: JourneyKey): string {
  return `${key.externalId}\n${key.channelId}\n${key.messageId}`;
}
