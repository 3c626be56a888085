import type { Journey } from '../../../../src/simulator/control-api.ts';
import { ApiCallList } from './api-call-list.tsx';
import { DeliveryList } from './delivery-list.tsx';
import { formatDuration, journeyTimeline } from './journey-timeline.ts';
import { useSimulatorView } from './simulator-context.ts';
import { formatLocation } from './simulator-location.ts';
import { channelKey } from './simulator-state.ts';
import { stageNames, stageWords } from './stage-words.ts';
import { useNow } from './use-now.ts';
import { Waterfall } from './waterfall.tsx';
import './way-panel.css';

const RECENT = 8;

/** The way of the chosen message, or of the latest. */
export function WayPanel() {
  const { journeys, location } = useSimulatorView();
  const journey = journeys.find(({ messageId }) => messageId === location.messageId) ?? journeys.at(-1);
  if (!journey) return <NoWayYet />;
  return (
    <Way
      journey={journey}
      others={journeys
        .filter((other) => other !== journey)
        .slice(-RECENT)
        .reverse()}
    />
  );
}

const outcomeWords: Readonly<Record<Journey['outcome'], string>> = {
  running: 'At work',
  answered: 'Answered',
  ignored: 'Not for the coworker',
  failed: 'Failed',
};

function Way({ journey, others }: { readonly journey: Journey; readonly others: readonly Journey[] }) {
  const { simulator, location, channel } = useSimulatorView();
  const running = journey.outcome === 'running';
  const nowMs = useNow(running ? 60 : null) + simulator.state.clockOffsetMs;
  const timeline = journeyTimeline(journey, nowMs);
  const store = simulator.state.stores[channelKey(journey)] ?? {};
  const textOf = ({ messageId }: Journey): string => store[messageId]?.message.plainText ?? 'a message';
  return (
    <>
      <section className="way-card" aria-label="Chosen message">
        <p className="way-text">{textOf(journey)}</p>
        <p className="way-total">
          <span className="way-outcome" data-outcome={journey.outcome}>
            {outcomeWords[journey.outcome]}
          </span>
          <strong>{formatDuration(timeline.totalMs)}</strong>
        </p>
      </section>
      <h3>Stages</h3>
      <Waterfall timeline={timeline} />
      <h3>Slack → Konstruct</h3>
      <DeliveryList journey={journey} />
      <h3>Konstruct → Slack</h3>
      <ApiCallList journey={journey} running={running} totalMs={timeline.totalMs} />
      {others.length > 0 && (
        <>
          <h3>Other messages here</h3>
          <ul className="way-others">
            {others.map((other) => (
              <li key={other.messageId}>
                <a
                  href={formatLocation({
                    ...location,
                    channelId: channel.id,
                    panel: 'way',
                    messageId: other.messageId,
                  })}
                >
                  <span>{textOf(other)}</span>
                  <span>{formatDuration(journeyTimeline(other, nowMs).totalMs)}</span>
                </a>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

function NoWayYet() {
  return (
    <>
      <h3>What happens to a message?</h3>
      <p className="panel-note">Send one, and watch it take these steps, each with its time.</p>
      <ol className="way-preview">
        {stageNames.map((name) => (
          <li key={name} data-phase={stageWords[name].phase}>
            <strong>{stageWords[name].label}</strong>
            <span>{stageWords[name].explanation}</span>
          </li>
        ))}
      </ol>
    </>
  );
}
