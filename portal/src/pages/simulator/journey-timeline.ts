import type { Journey, JourneyStage } from '../../../../src/simulator/control-api.ts';
import { type StageName, stageNames } from './stage-words.ts';

/** A journey, measured out for a waterfall. Times are ms since the message was received. */
export interface Timeline {
  readonly totalMs: number;
  readonly rows: readonly TimelineRow[];
}

export interface TimelineRow {
  readonly stage: StageName | 'failed';
  /** `waiting`: may still come; `skipped`: will not. */
  readonly state: 'done' | 'running' | 'waiting' | 'skipped' | 'failed';
  /** When it was through; `null`: it is not. */
  readonly reachedMs: number | null;
  /** How long it took, where nobody measured since what was before it; `null`: it has not begun. */
  readonly tookMs: number | null;
  /** The bar, in parts of the whole: 0 to 1. */
  readonly from: number;
  readonly to: number;
  readonly detail: string | null;
}

/**
 * The pipeline marks a stage when it ends (`core/journey.ts`), with the time it took where it measured it.
 * @param nowMs The simulator's clock; matters only while the journey is running.
 */
export function journeyTimeline(journey: Journey, nowMs: number): Timeline {
  const stages = journey.stages.toSorted((a, b) => a.atMs - b.atMs);
  const running = journey.outcome === 'running';
  const lastMs = Math.max(journey.startedAtMs, ...stages.map(({ atMs }) => atMs));
  const endMs = running ? Math.max(nowMs, lastMs) : lastMs;
  const totalMs = endMs - journey.startedAtMs;
  const part = (atMs: number): number => (totalMs > 0 ? clamp((atMs - journey.startedAtMs) / totalMs) : 0);

  const happened = (stage: JourneyStage): TimelineRow => {
    const before = stages[stages.indexOf(stage) - 1]?.atMs ?? journey.startedAtMs;
    const tookMs = Math.max(0, stage.durationMs ?? stage.atMs - before);
    return {
      stage: stage.stage,
      state: stage.stage === 'failed' ? 'failed' : 'done',
      reachedMs: stage.atMs - journey.startedAtMs,
      tookMs,
      from: part(stage.atMs - tookMs),
      to: part(stage.atMs),
      detail: stage.detail ?? null,
    };
  };

  const next = running ? stageNames[furthest(stages) + 1] : undefined;
  const rows = stageNames.map((name): TimelineRow => {
    const stage = stages.findLast((candidate) => candidate.stage === name);
    if (stage) return happened(stage);
    const absent = { stage: name, reachedMs: null, detail: null };
    if (name === next) {
      return { ...absent, state: 'running', tookMs: endMs - lastMs, from: part(lastMs), to: part(endMs) };
    }
    return { ...absent, state: running ? 'waiting' : 'skipped', tookMs: null, from: 0, to: 0 };
  });
  const failures = stages.filter(({ stage }) => stage === 'failed').map(happened);
  return { totalMs, rows: [...rows, ...failures] };
}

/** Also asked for what is not in it: a failure. */
const order: readonly string[] = stageNames;

function furthest(stages: readonly JourneyStage[]): number {
  return Math.max(-1, ...stages.map(({ stage }) => order.indexOf(stage)));
}

function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** `0.4 ms`, `12 ms`, `1.24 s`, `2 min 5 s` */
export function formatDuration(durationMs: number): string {
  if (durationMs < 9.95) return `${durationMs.toFixed(1)} ms`;
  if (durationMs < 999.5) return `${Math.round(durationMs)} ms`;
  if (durationMs < 59_995) return `${(durationMs / 1000).toFixed(2)} s`;
  const seconds = Math.round(durationMs / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
