import { expect, it } from 'vitest';
import { readEventStream, type StreamEvent } from './read-event-stream.ts';

async function read(...pieces: (string | Uint8Array)[]): Promise<{ events: StreamEvent[]; heard: number }> {
  const encoder = new TextEncoder();
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces)
        controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
      controller.close();
    },
  });
  const events: StreamEvent[] = [];
  let heard = 0;
  await readEventStream(
    body,
    (event) => events.push(event),
    () => {
      heard += 1;
    },
  );
  return { events, heard };
}

it('reads events with their names and ids, and passes over heartbeats', async () => {
  const { events, heard } = await read(
    'id: 7\nevent: message\ndata: {"a":1}\n\n',
    ':\n\n',
    'data: x\ndata: y\n\n',
  );
  expect(events).toEqual([
    { name: 'message', id: '7', data: '{"a":1}' },
    { name: 'message', id: null, data: 'x\ny' },
  ]);
  expect(heard).toBe(3);
});

it('puts together what the network cut, also within a character, and drops what has no end', async () => {
  const frame = new TextEncoder().encode('event: glimpse\ndata: "Grüße 😀"\n\nid: 9\ndata: half');
  const pieces = Array.from(frame, (_, index) => frame.slice(index, index + 1));
  expect((await read(...pieces)).events).toEqual([{ name: 'glimpse', id: null, data: '"Grüße 😀"' }]);
});
