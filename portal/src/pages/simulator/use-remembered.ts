import { useCallback, useState } from 'react';

/** State of small, JSON-shaped choices that this device remembers. Values of another shape are the caller's to check. */
export function useRemembered<T>(key: string, initial: T): readonly [T, (change: (before: T) => T) => void] {
  const [value, setValue] = useState<T>(() => read(key) ?? initial);
  const change = useCallback(
    (next: (before: T) => T): void =>
      setValue((before) => {
        const after = next(before);
        if (after !== before) write(key, after);
        return after;
      }),
    [key],
  );
  return [value, change];
}

function read<T>(key: string): T | null {
  try {
    const stored = localStorage.getItem(key);
    return stored === null ? null : JSON.parse(stored);
  } catch {
    return null;
  }
}

function write(key: string, value: unknown): void {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // Storage is full or blocked: the choice holds until the page is closed.
  }
}
