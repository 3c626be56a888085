import { type KeyboardEvent, useRef, useState } from 'react';
import type { ControlMessage } from '../../../../src/simulator/control-api.ts';
import { Icon, type IconName } from '../../design/icon.tsx';
import { OFFERED } from './reactions.ts';
import { useSimulatorView } from './simulator-context.ts';

interface MessageToolbarProps {
  readonly message: ControlMessage;
  readonly onEdit: () => void;
}

interface Tool {
  readonly icon: IconName;
  readonly label: string;
  /** `undefined`: it is done and not switched. */
  readonly pressed: boolean | undefined;
  readonly run: () => void;
}

/**
 * What one can do with a message: reactions for every one, edit and delete for one's own. One stop for the Tab key, and
 * arrow keys within. Where nothing can be pointed at (a phone) a button opens it.
 */
export function MessageToolbar({ message, onEdit }: MessageToolbarProps) {
  const { simulator, channel, viewer } = useSimulatorView();
  const [current, setCurrent] = useState(0);
  const [open, setOpen] = useState(false);
  const bar = useRef<HTMLDivElement>(null);
  const { messageId } = message;
  const reactions = OFFERED.map(({ name, icon, put, takeOff }): Tool => {
    const present = message.reactions.some((each) => each.name === name && each.userIds.includes(viewer.id));
    const reaction = { userId: viewer.id, name, present: !present };
    return {
      icon,
      label: present ? takeOff : put,
      pressed: present,
      run: () => void simulator.react(message, messageId, reaction),
    };
  });
  const own: readonly Tool[] = [
    { icon: 'edit', label: 'Edit', pressed: undefined, run: onEdit },
    {
      icon: 'trash',
      label: 'Delete',
      pressed: undefined,
      run: () => void simulator.remove(message, messageId),
    },
  ];
  const tools = [
    ...(channel.memberIds.includes(viewer.id) ? reactions : []),
    ...(message.userId === viewer.id ? own : []),
  ];
  if (tools.length === 0) return null;
  const stop = Math.min(current, tools.length - 1);

  const onKeyDown = (event: KeyboardEvent): void => {
    const place = {
      ArrowRight: (stop + 1) % tools.length,
      ArrowLeft: (stop + tools.length - 1) % tools.length,
      Home: 0,
      End: tools.length - 1,
    }[event.key];
    if (place === undefined) return;
    event.preventDefault();
    setCurrent(place);
    bar.current?.querySelectorAll('button')[place]?.focus();
  };

  return (
    <>
      <button
        type="button"
        className="icon-button message-more"
        aria-label="React, and more"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <Icon name="smile" size={17} />
      </button>
      <div
        ref={bar}
        className="message-actions"
        role="toolbar"
        aria-label="Reactions and actions"
        data-open={open}
        onKeyDown={onKeyDown}
      >
        {tools.map(({ icon, label, pressed, run }, place) => (
          <button
            key={icon}
            type="button"
            className="icon-button"
            tabIndex={place === stop ? 0 : -1}
            aria-label={label}
            aria-pressed={pressed}
            title={label}
            onFocus={() => setCurrent(place)}
            onClick={() => {
              setOpen(false);
              run();
            }}
          >
            <Icon name={icon} size={17} />
          </button>
        ))}
      </div>
    </>
  );
}
