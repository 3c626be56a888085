import { useEffect, useRef, useState } from 'react';
import { isVisibleTo } from './message-store.ts';
import { useSimulatorView } from './simulator-context.ts';
import { channelKey } from './simulator-state.ts';
import { isUnfinished } from './unfinished.ts';

const SPOKEN_CHARACTERS = 240;
/** What was there before the page was opened is not news. */
const NEWS_MS = 20_000;

/** Reads new answers out to people who listen to the page. */
export function AnswerAnnouncer() {
  const { simulator, workspace, channel, viewer, journeys } = useSimulatorView();
  const { stores, clockOffsetMs } = simulator.state;
  const [spoken, setSpoken] = useState('');
  const last = useRef('');
  const store = stores[channelKey({ workspaceId: workspace.id, channelId: channel.id })];
  const newest = Object.values(store ?? {})
    .filter(
      ({ message, deleted }) =>
        message.isAgent && !deleted && isVisibleTo(message, viewer.id) && !isUnfinished(message, journeys),
    )
    .map(({ message }) => message)
    .sort((a, b) => (a.editedAtMs ?? a.sentAtMs) - (b.editedAtMs ?? b.sentAtMs))
    .at(-1);
  useEffect(() => {
    if (!newest) return;
    const atMs = newest.editedAtMs ?? newest.sentAtMs;
    const key = `${newest.messageId}/${atMs}`;
    if (key === last.current) return;
    last.current = key;
    if (Date.now() + clockOffsetMs - atMs > NEWS_MS) return;
    const choices = newest.buttons.map(({ text }) => text).join(', ');
    const files = newest.files.map(({ name }) => name).join(', ');
    const said = [
      newest.plainText.slice(0, SPOKEN_CHARACTERS),
      choices && `Choose: ${choices}`,
      files && `File: ${files}`,
    ].filter(Boolean);
    setSpoken(`${newest.userName}: ${said.join('. ')}`);
  }, [newest, clockOffsetMs]);
  return (
    <div className="visually-hidden" aria-live="polite">
      {spoken}
    </div>
  );
}
