import { useEffect, useState } from 'react';
import { Icon } from './icon.tsx';

const CONFIRM_MS = 1600;

export function CopyButton({ text }: { readonly text: string }) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');
  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), CONFIRM_MS);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = (): void => {
    // Absent on plain http from another machine.
    if (!navigator.clipboard) {
      setState('failed');
      return;
    }
    navigator.clipboard.writeText(text).then(
      () => setState('copied'),
      () => setState('failed'),
    );
  };
  const label = { idle: 'Copy', copied: 'Copied', failed: 'Not allowed' }[state];
  return (
    <button type="button" className="copy-button" onClick={copy} aria-live="polite">
      <Icon name={state === 'copied' ? 'check' : 'copy'} size={14} />
      {label}
    </button>
  );
}
