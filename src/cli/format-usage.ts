import type { BudgetUsage, Usage } from '../stores/usage.ts';

const NANO_USD = 1_000_000_000;

/** US dollars without loss: `0.000907`, `12`. */
function toUsdText(nanoUsd: number): string {
  const whole = Math.trunc(nanoUsd / NANO_USD);
  const rest = String(nanoUsd - whole * NANO_USD)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return rest === '' ? String(whole) : `${whole}.${rest}`;
}

/** A table for people: a row per group, then the total, then the budgets. */
export function formatUsage(
  heading: string,
  rows: readonly Usage[],
  total: Usage | undefined,
  budgets: readonly BudgetUsage[],
): string {
  if (total === undefined) return ['No model was called.', ...formatBudgets(budgets)].join('\n');
  const cells = (row: Usage, name: string): string[] => [
    name,
    String(row.calls),
    String(row.inputTokens),
    String(row.cachedInputTokens),
    String(row.cacheWriteTokens),
    String(row.outputTokens),
    (row.nanoUsd / NANO_USD).toFixed(4),
  ];
  const table = align([
    [heading.toUpperCase(), 'CALLS', 'INPUT', 'CACHED', 'CACHE WRITE', 'OUTPUT', 'USD'],
    ...rows.map((row) => cells(row, row.key ?? '-')),
    cells(total, 'total'),
  ]);
  const notes = [
    ...(total.unpricedCalls > 0
      ? [`The price of ${total.unpricedCalls} calls is not known: they are not in USD.`]
      : []),
    ...(total.estimatedCalls > 0 ? [`${total.estimatedCalls} calls are counted by estimate.`] : []),
  ];
  return [table, ...notes, ...formatBudgets(budgets)].join('\n');
}

function formatBudgets(budgets: readonly BudgetUsage[]): string[] {
  return budgets.map(({ scope, subject, period, unit, limit, spent, reserved, endsAt }) => {
    const amount = (value: number) => (unit === 'usd' ? `$${toUsdText(value)}` : `${value} tokens`);
    const percent = limit === 0 ? 100 : Math.floor((spent / limit) * 100);
    const held = reserved === 0 ? '' : `, ${amount(reserved)} set aside`;
    const until = endsAt.toISOString().slice(0, 16).replace('T', ' ');
    return `Budget of the ${[scope, subject].filter(Boolean).join(' ')} for the ${period}: ${amount(spent)} of ${amount(limit)} (${percent} %)${held}; begins anew ${until}Z.`;
  });
}

/** RFC 4180, with a row per group and no total, so that columns can be summed. */
export function usageToCsv(heading: string, rows: readonly Usage[]): string {
  const header = `${heading},calls,input_tokens,cached_input_tokens,cache_write_tokens,output_tokens,reasoning_tokens,usd,unpriced_calls,estimated_calls`;
  const lines = rows.map((row) =>
    [
      csvText(row.key ?? ''),
      row.calls,
      row.inputTokens,
      row.cachedInputTokens,
      row.cacheWriteTokens,
      row.outputTokens,
      row.reasoningTokens,
      toUsdText(row.nanoUsd),
      row.unpricedCalls,
      row.estimatedCalls,
    ].join(','),
  );
  return [header, ...lines].map((line) => `${line}\r\n`).join('');
}

/**
 * Text as a cell. A spreadsheet takes what begins like a formula for one and runs it: such text gets an apostrophe
 * (OWASP, CSV injection). Names of models and people come from outside.
 */
function csvText(text: string): string {
  const harmless = /^[\s]*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

function align(table: readonly (readonly string[])[]): string {
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
