import type { ModelRequest } from '../core/model.ts';

/** The same request with its files by name only, for when no model takes it with them; `null`: it has none. */
export function withoutFiles(request: ModelRequest): ModelRequest | null {
  let count = 0;
  const messages = request.messages.map((message) => {
    if (message.role !== 'user' || message.files === undefined) return message;
    const { files, ...rest } = message;
    count += files.length;
    const notes = files.map(({ name }) => unreadable(name));
    return { ...rest, content: [message.content, ...notes].join('\n') };
  });
  return count === 0 ? null : { ...request, messages };
}

/** What a model is told of a file that it cannot look at. */
export function unreadable(name: string): string {
  return `[You cannot look at ${name}: say so, if it matters.]`;
}
