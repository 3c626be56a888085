import { Icon } from '../../design/icon.tsx';
import { activeTroubles } from './fault-presets.ts';
import { useSimulatorView } from './simulator-context.ts';
import { useNow } from './use-now.ts';
import './banners.css';

/** While anything makes life hard, everybody should know why things are odd. */
export function TroubleBanner() {
  const { simulator } = useSimulatorView();
  const { faultPlan, clockOffsetMs } = simulator.state;
  const troubles = faultPlan ? activeTroubles(faultPlan) : [];
  const endings = faultPlan?.faults.flatMap(({ untilMs }) => (untilMs === null ? [] : [untilMs])) ?? [];
  const nowMs = useNow(endings.length > 0 ? 500 : null) + clockOffsetMs;
  if (troubles.length === 0) return null;
  const secondsLeft = Math.ceil((Math.max(0, ...endings) - nowMs) / 1000);
  return (
    <div className="banner banner-trouble">
      <Icon name="warning" size={16} />
      <p>
        <strong>Trouble switched on: </strong>
        {troubles.join(' · ')}
        {secondsLeft > 0 && <span className="banner-note"> ({secondsLeft} s left)</span>}
      </p>
      <button
        type="button"
        className="button"
        onClick={() => void simulator.setFaults({ faults: [], realRateLimits: false })}
      >
        Turn all off
      </button>
    </div>
  );
}
