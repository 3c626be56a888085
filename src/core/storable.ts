/**
 * A text as PostgreSQL takes it, as text and in JSON: neither NUL nor half a surrogate pair. Both are legal in the JSON
 * of platforms and models, and one such text would fail its whole batch every time.
 */
export function storable(text: string): string {
  if (text.isWellFormed() && !text.includes('\0')) return text;
  return text.replaceAll('\0', '').toWellFormed();
}
