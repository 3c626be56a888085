export interface StreamEvent {
  readonly name: string;
  /** `null`: the event has none. */
  readonly id: string | null;
  readonly data: string;
}

/**
 * Reads server-sent events from a body, until it ends. `EventSource` cannot send headers, and a token in an address
 * ends up in logs; so the stream comes by `fetch` and is read here. Our server sends a field per line, `\n` only.
 *
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 *
 * @param heard called with every piece that comes, heartbeats too: whoever waits knows that somebody is there
 */
export async function readEventStream(
  body: ReadableStream<Uint8Array>,
  take: (event: StreamEvent) => void,
  heard: () => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    rest += decoder.decode(value, { stream: true });
    const frames = rest.split('\n\n');
    rest = frames.pop() ?? ''; // cut off in the middle: it comes again
    for (const frame of frames) {
      const event = parseFrame(frame);
      if (event !== null) take(event);
    }
  }
}

/** `null`: a comment. */
function parseFrame(frame: string): StreamEvent | null {
  let name = 'message';
  let id: string | null = null;
  const data: string[] = [];
  for (const line of frame.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, '');
    if (line.startsWith('event:')) name = value;
    else if (line.startsWith('id:')) id = value;
    else if (line.startsWith('data:')) data.push(value);
  }
  return data.length === 0 ? null : { name, id, data: data.join('\n') };
}
