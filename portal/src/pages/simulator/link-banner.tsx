import { Icon } from '../../design/icon.tsx';
import { useNow } from './use-now.ts';
import type { Simulator } from './use-simulator.ts';
import './banners.css';

/** Says that the simulator is gone and when the page tries again, and what else went wrong. */
export function LinkBanner({ simulator }: { readonly simulator: Simulator }) {
  const { link } = simulator.state;
  const waiting = link.status === 'lost';
  const nowMs = useNow(waiting ? 250 : null);
  if (link.status === 'lost') {
    const seconds = Math.max(0, Math.ceil((link.retryAtMs - nowMs) / 1000));
    return (
      <div className="banner banner-lost">
        <Icon name="warning" size={16} />
        <p>
          <span role="alert">The simulator does not answer. </span>
          {seconds > 0 ? `Trying again in ${seconds} s.` : 'Trying again…'}
        </p>
        <button type="button" className="button" onClick={simulator.retryNow}>
          Try now
        </button>
      </div>
    );
  }
  if (simulator.problem !== null) {
    return (
      <div className="banner banner-lost">
        <Icon name="warning" size={16} />
        <p role="alert">{simulator.problem}</p>
        <button type="button" className="icon-button" onClick={simulator.dismissProblem} aria-label="Dismiss">
          <Icon name="close" />
        </button>
      </div>
    );
  }
  return null;
}
