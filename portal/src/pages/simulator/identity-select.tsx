import { Avatar } from '../../design/avatar.tsx';
import { useSimulatorView } from './simulator-context.ts';

/** On this machine one can be anybody: who writes? */
export function IdentitySelect() {
  const { workspace, viewer, setViewer } = useSimulatorView();
  return (
    <label className="identity">
      <Avatar id={viewer.id} name={viewer.name} isAgent={false} small />
      <span className="identity-label">
        Writing as<span className="visually-hidden">, choose a person</span>
      </span>
      <select value={viewer.id} onChange={({ target }) => setViewer(target.value)}>
        {workspace.users.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}
