import type { Fault, FaultPlan, FaultRequest } from '../../../../src/simulator/control-api.ts';

/** A kind of trouble that one switch makes. */
export interface FaultPreset {
  readonly id: string;
  readonly group: 'incoming' | 'outgoing';
  readonly label: string;
  readonly explanation: string;
  /** For the banner: "Slack is down". */
  readonly short: string;
  readonly fault: FaultRequest;
  /** Ends by itself after this time. */
  readonly lastsMs?: number;
}

export const faultPresets: readonly FaultPreset[] = [
  {
    id: 'duplicates',
    group: 'incoming',
    label: 'Everything arrives twice',
    explanation:
      'Slack sends each event once more, as it does after a hiccup. There must still be one answer.',
    short: 'events arrive twice',
    fault: { kind: 'event_duplicate', copies: 1 },
  },
  {
    id: 'ack-lost',
    group: 'incoming',
    label: 'Receipts get lost',
    explanation: 'Konstruct’s “got it” never reaches Slack, so Slack tries again, up to three times.',
    short: 'receipts get lost',
    fault: { kind: 'event_ack_lost' },
  },
  {
    id: 'late',
    group: 'incoming',
    label: 'Messages come late',
    explanation: 'Every event is on the way for three seconds.',
    short: 'events come 3 s late',
    fault: { kind: 'event_delay', delayMs: 3000 },
  },
  {
    id: 'outage',
    group: 'incoming',
    label: 'Slack is down for 15 seconds',
    explanation: 'No call gets through and events wait. Afterwards every message must be answered, once.',
    short: 'Slack is down',
    fault: { kind: 'outage' },
    lastsMs: 15_000,
  },
  {
    id: 'slow',
    group: 'outgoing',
    label: 'Slack is slow',
    explanation: 'Each call takes one and a half seconds longer.',
    short: 'Slack is slow',
    fault: { kind: 'api_delay', delayMs: 1500 },
  },
  {
    id: 'rate-limit',
    group: 'outgoing',
    label: '“Too many requests”',
    explanation:
      'The next three calls are refused with 429 and “wait 3 seconds”. Konstruct must wait, not give up.',
    short: 'calls are refused (429)',
    fault: { kind: 'api_rate_limited', retryAfterSeconds: 3, remaining: 3 },
  },
  {
    id: 'server-error',
    group: 'outgoing',
    label: 'Slack fails',
    explanation: 'The next three calls end with error 500 and do nothing.',
    short: 'calls fail (500)',
    fault: { kind: 'api_http_error', status: 500, remaining: 3 },
  },
  {
    id: 'outcome-unknown',
    group: 'outgoing',
    label: 'Sent, or not?',
    explanation:
      'The next two messages are posted, but the line is cut before Slack says so. Sending again blindly would double them.',
    short: 'the outcome of sending is unknown',
    fault: { kind: 'api_cut_after', method: 'chat.postMessage', remaining: 2 },
  },
];

/** The switched-on fault that a preset stands for. */
export function activeFault(plan: FaultPlan, preset: FaultPreset): Fault | null {
  return plan.faults.find((fault) => isOf(fault, preset)) ?? null;
}

/** The whole list of faults with a preset switched on or off; faults of other origin stay. */
export function withPreset(
  plan: FaultPlan,
  preset: FaultPreset,
  on: boolean,
  nowMs: number,
): readonly FaultRequest[] {
  const others = plan.faults.filter((fault) => !isOf(fault, preset)).map(asRequest);
  if (!on) return others;
  return [...others, preset.lastsMs ? { ...preset.fault, untilMs: nowMs + preset.lastsMs } : preset.fault];
}

/** What makes life hard at the moment, in words for the banner. */
export function activeTroubles(plan: FaultPlan): readonly string[] {
  const faults = plan.faults.map(
    (fault) => faultPresets.find((preset) => isOf(fault, preset))?.short ?? fault.kind.replaceAll('_', ' '),
  );
  return plan.realRateLimits ? [...faults, 'Slack’s real limits'] : faults;
}

function isOf(fault: Fault, { fault: wanted }: FaultPreset): boolean {
  return fault.kind === wanted.kind && methodOf(fault) === methodOf(wanted);
}

function methodOf(fault: FaultRequest): string | undefined {
  return 'method' in fault ? fault.method : undefined;
}

function asRequest(fault: Fault): FaultRequest {
  const { id: _id, ...request } = fault;
  return request;
}
