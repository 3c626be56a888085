import { useLayoutEffect, useRef, useState } from 'react';
import type { ControlButton, ControlMessage } from '../../../../src/simulator/control-api.ts';
import { useSimulatorView } from './simulator-context.ts';
import './message-buttons.css';

type Press =
  | { readonly state: 'none' }
  | { readonly state: 'under way'; readonly key: string }
  | { readonly state: 'not taken'; readonly key: string };

/** The buttons that the agent put below a message. What comes of a press is the app's to show, as in Slack. */
export function MessageButtons({ message }: { readonly message: ControlMessage }) {
  const { simulator, workspace, channel, viewer } = useSimulatorView();
  const [press, setPress] = useState<Press>({ state: 'none' });
  const box = useRef<HTMLDivElement>(null);
  const isPressed = useRef(false);
  const areGone = message.buttons.length === 0;
  // The button that was pressed goes, and whoever works by keyboard would have to begin at the top of the page.
  useLayoutEffect(() => {
    if (!areGone || !isPressed.current) return;
    isPressed.current = false;
    if (document.activeElement === document.body) box.current?.closest('article')?.focus();
  }, [areGone]);
  if (areGone) return <div ref={box} />;
  const isMember = channel.memberIds.includes(viewer.id);

  const pressOne = async ({ blockId, actionId }: ControlButton): Promise<void> => {
    if (press.state === 'under way') return;
    const key = keyOf({ blockId, actionId });
    isPressed.current = true;
    setPress({ state: 'under way', key });
    const isTaken = await simulator.press(message, message.messageId, {
      userId: viewer.id,
      blockId,
      actionId,
    });
    setPress(isTaken ? { state: 'none' } : { state: 'not taken', key });
  };

  return (
    <div className="message-buttons" ref={box}>
      <fieldset aria-label={`Answers to choose from, of ${message.userName}`} disabled={!isMember}>
        {message.buttons.map((button) => {
          const isThis = press.state !== 'none' && press.key === keyOf(button);
          return (
            <button
              key={keyOf(button)}
              type="button"
              className={`button message-button message-button-${button.style ?? 'plain'}`}
              // Not disabled: whoever has pressed it by keyboard would lose their place.
              aria-disabled={press.state === 'under way'}
              aria-busy={isThis && press.state === 'under way'}
              onClick={() => void pressOne(button)}
            >
              {button.text}
            </button>
          );
        })}
      </fieldset>
      <p className="message-buttons-problem" role="status">
        {press.state === 'not taken' && `${workspace.agent.name} did not take it. Press it again.`}
      </p>
    </div>
  );
}

function keyOf({ blockId, actionId }: Pick<ControlButton, 'blockId' | 'actionId'>): string {
  return `${blockId}/${actionId}`;
}
