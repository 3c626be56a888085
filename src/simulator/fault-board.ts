import type { Clock } from '../core/clock.ts';
import type {
  Fault,
  FaultAction,
  FaultKind,
  FaultPlan,
  FaultPlanRequest,
  FaultRequest,
} from './control-api.ts';

/** The faults that are switched on, changeable at any time. */
export interface FaultBoard {
  plan(): FaultPlan;
  /** Changes what is given; `faults` replaces the whole list. */
  update(request: FaultPlanRequest): FaultPlan;
  add(request: FaultRequest): Fault;
  remove(id: string): void;
  /** Takes all faults off; order, gap and limits stay as they are. */
  clear(): void;
  /** Faults of these kinds that strike now, at most so many, in the order in which they were added; each use counts. */
  strike<Kind extends FaultKind>(
    kinds: readonly Kind[],
    occasion: FaultOccasion,
    most?: number,
  ): readonly FaultOf<Kind>[];
  /** Waits until Slack is not down; at once when it is not. */
  outageOver(workspaceId: string, signal: AbortSignal): Promise<void>;
  onChange(listener: (plan: FaultPlan) => void): void;
}

export interface FaultOccasion {
  /** The event's label or the API method. */
  readonly target: string;
  /** `null` when the token is nobody's. */
  readonly workspaceId: string | null;
}

export type FaultOf<Kind extends FaultKind> = Extract<FaultAction, { readonly kind: Kind }>;

const OUTAGE_POLL_MS = 50;

export function createFaultBoard(input: { readonly clock: Clock; readonly sleep: Wait }): FaultBoard {
  let settings: Omit<FaultPlan, 'faults'> = { pairOrder: 'random', pairGapMs: 0, realRateLimits: false };
  let faults: readonly Fault[] = [];
  let lastId = 0;
  const listeners: ((plan: FaultPlan) => void)[] = [];

  const plan = (): FaultPlan => ({ ...settings, faults });
  const changed = (next: readonly Fault[]): FaultPlan => {
    faults = next;
    for (const listener of listeners) listener(plan());
    return plan();
  };
  const withId = (request: FaultRequest): Fault => {
    lastId += 1;
    return { workspaceId: null, remaining: null, untilMs: null, ...request, id: `fault-${lastId}` };
  };
  const alive = (fault: Fault) =>
    (fault.remaining === null || fault.remaining > 0) &&
    (fault.untilMs === null || fault.untilMs > input.clock());

  const strike = <Kind extends FaultKind>(
    kinds: readonly Kind[],
    occasion: FaultOccasion,
    most = Number.POSITIVE_INFINITY,
  ) => {
    const isKind = (fault: Fault): fault is Fault & FaultOf<Kind> =>
      kinds.some((kind) => kind === fault.kind);
    const struck = faults
      .filter((fault) => alive(fault) && applies(fault, occasion))
      .filter(isKind)
      .slice(0, most);
    if (struck.some((fault) => struckOnce(fault) !== fault) || !faults.every(alive)) {
      const ids = new Set(struck.map((fault) => fault.id));
      const counted = faults.map((fault) => (ids.has(fault.id) ? struckOnce(fault) : fault));
      changed(counted.filter(alive));
    }
    return struck;
  };

  return {
    plan,
    update(request) {
      settings = {
        pairOrder: request.pairOrder ?? settings.pairOrder,
        pairGapMs: request.pairGapMs ?? settings.pairGapMs,
        realRateLimits: request.realRateLimits ?? settings.realRateLimits,
      };
      return changed(request.faults?.map(withId) ?? faults);
    },
    add(request) {
      const fault = withId(request);
      changed([...faults, fault]);
      return fault;
    },
    remove(id) {
      changed(faults.filter((fault) => fault.id !== id));
    },
    clear() {
      changed([]);
    },
    strike,
    async outageOver(workspaceId, signal) {
      while (strike(['outage'], { workspaceId, target: '' }).length > 0) {
        await input.sleep(OUTAGE_POLL_MS, signal);
      }
    },
    onChange(listener) {
      listeners.push(listener);
    },
  };
}

type Wait = (ms: number, signal?: AbortSignal) => Promise<void>;

/** An outage is a state, not an occurrence: it is not used up by what meets it. */
function struckOnce(fault: Fault): Fault {
  if (fault.remaining === null || fault.kind === 'outage') return fault;
  return { ...fault, remaining: fault.remaining - 1 };
}

function applies(fault: Fault, occasion: FaultOccasion): boolean {
  if (fault.workspaceId !== null && fault.workspaceId !== occasion.workspaceId) return false;
  if ('event' in fault && fault.event !== undefined) return fault.event === occasion.target;
  if ('method' in fault && fault.method !== undefined) return fault.method === occasion.target;
  return true;
}
