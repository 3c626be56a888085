import { Icon, type IconName } from './icon.tsx';
import { type Theme, themes, useTheme } from './theme.ts';

const icons: Readonly<Record<Theme, IconName>> = { system: 'system', light: 'sun', dark: 'moon' };

/** Goes round: as the system, light, dark. */
export function ThemeToggle() {
  const [theme, setTheme] = useTheme();
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'system';
  const label = `Appearance: ${theme}. Change to ${next}`;
  return (
    <button
      type="button"
      className="icon-button"
      onClick={() => setTheme(next)}
      aria-label={label}
      title={label}
    >
      <Icon name={icons[theme]} />
    </button>
  );
}
