import { Icon } from '../../design/icon.tsx';
import { formatDuration, type Timeline, type TimelineRow } from './journey-timeline.ts';
import { stageWords } from './stage-words.ts';

const failedWords = {
  label: 'Failed',
  explanation: 'No answer came out of it. The reason is below; a message that failed can be tried again.',
  phase: 'failed',
} as const;

/** A row per stage: its name, a bar for its time, when it began and how long it took. A row opens to explain itself. */
export function Waterfall({ timeline }: { readonly timeline: Timeline }) {
  return (
    <div className="waterfall">
      <p className="waterfall-legend" aria-hidden="true">
        <span>at</span>
        <span>took</span>
      </p>
      <ol>
        {timeline.rows.map((row) => (
          <WaterfallRow key={row.stage} row={row} />
        ))}
      </ol>
    </div>
  );
}

function WaterfallRow({ row }: { readonly row: TimelineRow }) {
  const words = row.stage === 'failed' ? failedWords : stageWords[row.stage];
  // Percentages set from script, not as attributes: allowed under `style-src 'self'`.
  const bar = { left: `min(${row.from * 100}%, 100% - 3px)`, width: `${(row.to - row.from) * 100}%` };
  return (
    <li>
      <details className="waterfall-row" data-state={row.state} data-phase={words.phase}>
        <summary title={words.explanation}>
          <StateMark row={row} />
          <span className="waterfall-label">{words.label}</span>
          <span className="waterfall-track" aria-hidden="true">
            {row.tookMs !== null && <span className="waterfall-bar" style={bar} />}
          </span>
          <span className="waterfall-time">
            {row.reachedMs === null ? '' : `+${formatDuration(row.reachedMs)}`}
          </span>
          <span className="waterfall-time waterfall-took">
            {row.tookMs === null ? '–' : formatDuration(row.tookMs)}
          </span>
        </summary>
        <p>{words.explanation}</p>
        {row.detail !== null && <p className="waterfall-detail">{row.detail}</p>}
      </details>
    </li>
  );
}

function StateMark({ row: { state } }: { readonly row: TimelineRow }) {
  const words = { done: 'done', running: 'now', waiting: 'to come', skipped: 'left out', failed: 'failed' }[
    state
  ];
  return (
    <span className="waterfall-mark">
      {state === 'done' && <Icon name="check" size={12} />}
      {state === 'failed' && <Icon name="close" size={12} />}
      <span className="visually-hidden">{words}:</span>
    </span>
  );
}
