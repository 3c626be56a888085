import { Icon } from '../../design/icon.tsx';
import { FaultPanel } from './fault-panel.tsx';
import { useSimulatorView } from './simulator-context.ts';
import { formatLocation } from './simulator-location.ts';
import { WayPanel } from './way-panel.tsx';
import './side-panel.css';

/** The right side: what happens behind the conversation, and what can be made to happen. */
export function SidePanel() {
  const { location, channel, navigate } = useSimulatorView();
  const shown = location.panel ?? 'way';
  const link = (panel: 'way' | 'faults') => ({
    href: formatLocation({ ...location, channelId: channel.id, panel, messageId: null }),
    'aria-current': shown === panel ? ('page' as const) : undefined,
  });
  return (
    <aside
      className="panel"
      aria-label="Behind the scenes"
      onKeyDown={(event) => {
        if (event.key === 'Escape') navigate({ panel: null, messageId: null });
      }}
    >
      <nav className="panel-tabs" aria-label="Behind the scenes">
        <a
          className="icon-button panel-close"
          href={formatLocation({ ...location, channelId: channel.id, panel: null })}
          aria-label="Back to the conversation"
        >
          <Icon name="back" />
        </a>
        <a {...link('way')}>Way of a message</a>
        <a {...link('faults')}>Make it hard</a>
      </nav>
      <div className="panel-scroll">{shown === 'way' ? <WayPanel /> : <FaultPanel />}</div>
    </aside>
  );
}
