/** An HTTP exchange that ended without a response. Knows whether the other side may have seen the request. */
export class TransportError extends Error {
  /** `aborted` by our own signal, `timeout`, `unreachable` (nothing was sent) or `interrupted` (something was). */
  readonly kind: 'aborted' | 'timeout' | 'unreachable' | 'interrupted';
  readonly sent: boolean;
  /** The system's word for it, for logs (`ECONNREFUSED`). */
  readonly systemCode: string | null;

  constructor(kind: 'aborted' | 'timeout' | 'connection', sent: boolean, cause?: unknown) {
    const named = kind === 'connection' ? (sent ? 'interrupted' : 'unreachable') : kind;
    super(`The HTTP request was ${named}.`, cause === undefined ? undefined : { cause });
    this.name = 'TransportError';
    this.kind = named;
    this.sent = sent;
    this.systemCode = systemCodeOf(cause);
  }
}

export function systemCodeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}
