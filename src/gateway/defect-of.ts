/** What was thrown that nobody foresaw, and where. Without its message, which may quote what a person wrote. */
export function defectOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { name, message, stack = '' } = error;
  const [, place = 'nobody knows where'] = /\n {4}at (.+)/.exec(stack.replace(message, '')) ?? [];
  return `${name} at ${place}`;
}
