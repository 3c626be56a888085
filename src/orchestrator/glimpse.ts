/** Behind a text that goes on: it is not the answer yet. */
const GOES_ON = ' …';
const FENCE = /^ {0,3}(`{3,}|~{3,})(.*)$/;

/**
 * What is shown of an answer while it is written: its first part, with a code block that is still open closed for now.
 * @param split cuts a text into parts that the platform takes
 */
export function glimpse(text: string, split: (markdown: string) => readonly string[]): string {
  const [first = '', ...further] = split(text.trimEnd());
  if (further.length > 0) return first; // it is as long as it may be, and cut where a part ends
  const fence = openFence(first);
  return fence === null ? first + GOES_ON : `${first}\n${fence}\n${GOES_ON.trim()}`;
}

/** The fence that would close the code block at the end of a text; `null`: none is open. */
function openFence(text: string): string | null {
  let open: string | null = null;
  for (const line of text.split('\n')) {
    const [, fence = '', rest = ''] = FENCE.exec(line) ?? [];
    if (fence === '') continue;
    if (open === null) open = fence;
    else if (fence[0] === open[0] && fence.length >= open.length && rest.trim() === '') open = null;
  }
  return open;
}
