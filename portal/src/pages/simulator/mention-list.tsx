import type { ControlUser } from '../../../../src/simulator/control-api.ts';
import { Avatar } from '../../design/avatar.tsx';

interface MentionListProps {
  readonly id: string;
  readonly users: readonly ControlUser[];
  readonly current: ControlUser;
  readonly onPick: (user: ControlUser) => void;
}

/** Who could be meant. The keyboard stays in the text; the composer moves the mark. */
export function MentionList({ id, users, current, onPick }: MentionListProps) {
  return (
    <div className="mentions" id={id} role="listbox" aria-label="People to mention">
      {users.map((user) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are handled in the text, where the focus is
        // biome-ignore lint/a11y/useFocusableInteractive: pointed at by aria-activedescendant
        <div
          key={user.id}
          id={`${id}-${user.id}`}
          role="option"
          aria-selected={user === current}
          className="mentions-item"
          // The text would lose the focus on the way to the click.
          onMouseDown={(event) => event.preventDefault()}
          onClick={() => onPick(user)}
        >
          <Avatar id={user.id} name={user.name} isAgent={user.isAgent} small />
          <strong>{user.name}</strong>
          {user.isAgent && <span className="badge">AI coworker</span>}
          {!user.isAgent && <span className="mentions-title">{user.title}</span>}
        </div>
      ))}
    </div>
  );
}
