import type { Journey } from '../../../../src/simulator/control-api.ts';
import { Icon } from '../../design/icon.tsx';
import { formatDuration, journeyTimeline } from './journey-timeline.ts';
import { useSimulatorView } from './simulator-context.ts';
import { formatLocation } from './simulator-location.ts';
import { useNow } from './use-now.ts';

/** What became of a message, in a few words; leads to the way it took. */
export function JourneyChip({ journey }: { readonly journey: Journey }) {
  const { simulator, location, channel, workspace } = useSimulatorView();
  const running = journey.outcome === 'running';
  const nowMs = useNow(running ? 100 : null) + simulator.state.clockOffsetMs;
  const total = formatDuration(journeyTimeline(journey, nowMs).totalMs);
  const text = {
    running: `${workspace.agent.name} is on it · ${total}`,
    answered: `Answered in ${total}`,
    ignored: `Not for ${workspace.agent.name}`,
    failed: 'Could not be answered',
  }[journey.outcome];
  return (
    <a
      className="journey-chip"
      data-outcome={journey.outcome}
      href={formatLocation({
        ...location,
        channelId: channel.id,
        panel: 'way',
        messageId: journey.messageId,
      })}
      title="Show the way of this message"
    >
      <Icon name="route" size={13} />
      {text}
    </a>
  );
}
