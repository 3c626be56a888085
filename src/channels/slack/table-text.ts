import { asRecord, asRecords, asText, type JsonRecord } from '../read-json.ts';
import { textFromBlocks } from './blocks-text.ts';
import { normaliseText } from './text.ts';

const TABLES = new Set<unknown>(['table', 'data_table']);

/**
 * The tables among blocks, as Markdown. Slack's composer makes a block of a table that somebody pastes, and has no text for it.
 *
 * Source: https://docs.slack.dev/reference/block-kit/blocks/table-block
 */
export function tablesText(blocks: unknown): string {
  const tables = asRecords(blocks).filter(({ type }) => TABLES.has(type));
  return tables.map(tableText).filter(Boolean).join('\n\n');
}

function tableText({ rows }: JsonRecord): string {
  if (!Array.isArray(rows)) return '';
  const lines = rows.map((row: unknown) => (Array.isArray(row) ? row.map(cellText) : []));
  const columns = Math.max(0, ...lines.map(({ length }) => length));
  if (columns === 0) return '';
  const [head = '', ...body] = lines.map((cells) => {
    const filled = Array.from({ length: columns }, (_, column) => cells[column] ?? '');
    return `| ${filled.join(' | ')} |`;
  });
  return [head, `|${' --- |'.repeat(columns)}`, ...body].join('\n');
}

function cellText(value: unknown): string {
  const cell = asRecord(value);
  if (cell === null) return '';
  const text =
    cell.type === 'rich_text'
      ? normaliseText(textFromBlocks({ blocks: [cell] })).text
      : asText(cell.text) || (typeof cell.value === 'number' ? String(cell.value) : '');
  return text.replaceAll(/\s+/g, ' ').trim().replaceAll('|', '\\|');
}
