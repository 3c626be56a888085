import type { Journey } from '../../../../src/simulator/control-api.ts';
import { formatDuration } from './journey-timeline.ts';
import { useSimulatorView } from './simulator-context.ts';

interface ApiCallListProps {
  readonly journey: Journey;
  readonly running: boolean;
  readonly totalMs: number;
}

/** A call that began this much after the end still belongs to the message: it was on its way. */
const AFTERMATH_MS = 50;

/** What Konstruct asked of Slack during the journey. Calls name no message, so those of the same time are shown. */
export function ApiCallList({ journey, running, totalMs }: ApiCallListProps) {
  const { simulator } = useSimulatorView();
  const endMs = running ? Number.POSITIVE_INFINITY : journey.startedAtMs + totalMs + AFTERMATH_MS;
  const calls = simulator.state.apiCalls.filter(
    ({ workspaceId, startedAtMs }) =>
      workspaceId === journey.workspaceId && startedAtMs >= journey.startedAtMs - 1 && startedAtMs <= endMs,
  );
  if (calls.length === 0) return <p className="panel-note">No calls seen while this page was open.</p>;
  return (
    <ul className="calls">
      {calls.map((call) => (
        <li key={call.key} data-ok={call.error === null && call.status === 200}>
          <span className="calls-status">{call.status ?? 'cut'}</span>
          <span className="calls-name">
            {call.method}
            <span>{(call.error ?? call.faults.join(' · ')).replaceAll('_', ' ')}</span>
          </span>
          <span className="calls-time">{formatDuration(call.durationMs)}</span>
        </li>
      ))}
    </ul>
  );
}
