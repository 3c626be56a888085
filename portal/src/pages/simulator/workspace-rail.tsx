import { initials } from '../../design/avatar.tsx';
import { Icon } from '../../design/icon.tsx';
import { Logo } from '../../design/logo.tsx';
import { ThemeToggle } from '../../design/theme-toggle.tsx';
import { useSimulatorView } from './simulator-context.ts';
import { formatLocation, startLocation } from './simulator-location.ts';
import './workspace-rail.css';

/** The companies on this machine: each has a workspace of its own and cannot see the others. */
export function WorkspaceRail() {
  const { simulator, workspace } = useSimulatorView();
  return (
    <nav className="rail" aria-label="Workspaces">
      <span className="rail-logo">
        <Logo size={40} />
      </span>
      <ul className="rail-list">
        {simulator.state.workspaces?.map(({ id, name }) => (
          <li key={id}>
            <a
              className="rail-workspace"
              href={formatLocation({ ...startLocation, workspaceId: id })}
              aria-current={id === workspace.id ? 'true' : undefined}
              aria-label={name}
              title={name}
            >
              {initials(name)}
            </a>
          </li>
        ))}
      </ul>
      <a
        className="icon-button"
        href={`${import.meta.env.BASE_URL}playground`}
        aria-label="Playground: the web chat"
        title="Playground: the web chat"
      >
        <Icon name="chat" />
      </a>
      <ThemeToggle />
    </nav>
  );
}
