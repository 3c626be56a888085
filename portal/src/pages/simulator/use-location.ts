import { useCallback, useSyncExternalStore } from 'react';
import { formatLocation, parseLocation, type SimulatorLocation } from './simulator-location.ts';

export type Navigate = (to: Partial<SimulatorLocation>, options?: { readonly replace: boolean }) => void;

export function useLocation(): readonly [SimulatorLocation, Navigate] {
  const hash = useSyncExternalStore(subscribe, () => window.location.hash);
  const navigate = useCallback<Navigate>((to, options) => {
    const target = formatLocation({ ...parseLocation(window.location.hash), ...to });
    if (options?.replace) {
      history.replaceState(null, '', target);
      // replaceState tells nobody.
      window.dispatchEvent(new HashChangeEvent('hashchange'));
    } else window.location.hash = target;
  }, []);
  return [parseLocation(hash), navigate];
}

function subscribe(changed: () => void): () => void {
  window.addEventListener('hashchange', changed);
  return () => window.removeEventListener('hashchange', changed);
}
