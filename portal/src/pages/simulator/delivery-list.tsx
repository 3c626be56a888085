import type { DeliveryAttempt, Journey } from '../../../../src/simulator/control-api.ts';
import { formatDuration } from './journey-timeline.ts';
import { useSimulatorView } from './simulator-context.ts';
import { useNow } from './use-now.ts';

/** How Slack brought the message: every attempt, with what came back. */
export function DeliveryList({ journey }: { readonly journey: Journey }) {
  const { simulator } = useSimulatorView();
  const { deliveries, clockOffsetMs } = simulator.state;
  const attempts = deliveries.filter(
    ({ workspaceId, channelId, messageId }) =>
      workspaceId === journey.workspaceId &&
      channelId === journey.channelId &&
      messageId === journey.messageId,
  );
  const waiting = attempts.some(({ nextAttemptAtMs }) => nextAttemptAtMs !== null);
  const nowMs = useNow(waiting ? 500 : null) + clockOffsetMs;
  if (attempts.length === 0)
    return <p className="panel-note">No delivery of this message is known any more.</p>;
  return (
    <ul className="calls">
      {attempts.map((attempt) => (
        <li key={attempt.key} data-ok={attempt.outcome === 'ok'}>
          <span className="calls-status">{attempt.status ?? '—'}</span>
          <span className="calls-name">
            {attempt.eventType}
            <span>{describe(attempt, nowMs)}</span>
          </span>
          <span className="calls-time">{formatDuration(attempt.durationMs)}</span>
        </li>
      ))}
    </ul>
  );
}

function describe(attempt: DeliveryAttempt, nowMs: number): string {
  const parts: string[] = [];
  if (attempt.retryNumber > 0) parts.push(`retry ${attempt.retryNumber}`);
  if (attempt.outcome !== 'ok') parts.push(attempt.outcome.replaceAll('_', ' '));
  if (attempt.nextAttemptAtMs !== null && attempt.nextAttemptAtMs > nowMs) {
    parts.push(`again in ${Math.ceil((attempt.nextAttemptAtMs - nowMs) / 1000)} s`);
  }
  return parts.join(' · ');
}
