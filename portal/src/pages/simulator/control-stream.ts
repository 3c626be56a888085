import type { ControlEvent } from '../../../../src/simulator/control-api.ts';
import { reconnectDelayMs } from '../../reconnect-delay.ts';

export type LinkState =
  | { readonly status: 'connecting' }
  | { readonly status: 'open' }
  | { readonly status: 'lost'; readonly retryAtMs: number };

export interface ControlStreamOptions {
  readonly url: string;
  readonly onEvent: (event: ControlEvent) => void;
  readonly onLink: (state: LinkState) => void;
}

export interface ControlStream {
  retryNow(): void;
  close(): void;
}

/**
 * Follows the server-sent events and comes back by itself. `EventSource` would retry too, but at one fixed pace, not
 * after an HTTP error, and without telling when; a new stream says `resumed: false`, and the page loads again.
 */
export function openControlStream({ url, onEvent, onLink }: ControlStreamOptions): ControlStream {
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let closed = false;

  const connect = (): void => {
    clearTimeout(timer);
    source?.close();
    const current = new EventSource(url);
    source = current;
    current.onmessage = ({ data }: MessageEvent<string>) => {
      const event: ControlEvent = JSON.parse(data);
      if (event.type === 'stream.opened') {
        failures = 0;
        onLink({ status: 'open' });
      }
      onEvent(event);
    };
    current.onerror = () => {
      current.close();
      if (closed || source !== current) return;
      const delayMs = reconnectDelayMs(failures, Math.random);
      failures += 1;
      onLink({ status: 'lost', retryAtMs: Date.now() + delayMs });
      timer = setTimeout(connect, delayMs);
    };
  };
  const retryNow = (): void => {
    if (closed || source?.readyState === EventSource.OPEN) return;
    onLink({ status: 'connecting' });
    connect();
  };

  window.addEventListener('online', retryNow);
  onLink({ status: 'connecting' });
  connect();
  return {
    retryNow,
    close() {
      closed = true;
      clearTimeout(timer);
      window.removeEventListener('online', retryNow);
      source?.close();
    },
  };
}
