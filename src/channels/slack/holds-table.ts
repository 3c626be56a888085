/**
 * Whether a text may hold a table: a line of cells, and below it one of dashes. Where it only looks like one (in a code fence),
 * nothing is lost: the block that shows tables shows everything else as well.
 */
export function holdsTable(markdown: string): boolean {
  if (!markdown.includes('|')) return false;
  const lines = markdown.split('\n');
  return lines.some((line, index) => isDelimiterRow(line) && (lines[index - 1] ?? '').includes('|'));
}

function isDelimiterRow(line: string): boolean {
  return line.includes('|') && line.includes('-') && /^[\s>|:-]+$/.test(line);
}
