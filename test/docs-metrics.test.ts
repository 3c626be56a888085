import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { metricTable } from '../src/core/metrics.ts';
import { createMetrics } from '../src/telemetry/create-metrics.ts';
import { silentLog } from './support/silent-log.ts';

const read = (path: string) => readFileSync(new URL(path, import.meta.url), 'utf8');

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string };
}

const { groups } = parse(read('../deploy/prometheus-alerts.yaml')) as {
  groups: { rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);

/** What a name in an expression is: a histogram appears as three. */
function entryOf(name: string) {
  const base = name.replace(/_(bucket|count|sum)$/, '');
  const entry = Object.entries(metricTable).find(([known]) => known === name || known === base);
  return entry?.[1] ?? null;
}

it('the alerts ask for metrics that exist, by labels and values that they have', () => {
  expect(rules.length).toBeGreaterThanOrEqual(5);
  let asked = 0;
  for (const { alert, expr } of rules) {
    for (const [, name = '', selector = ''] of expr.matchAll(/\b(konstruct_\w+)(?:\{([^}]*)\})?/g)) {
      asked += 1;
      const entry = entryOf(name);
      expect(entry, `${alert}: ${name}`).not.toBeNull();
      for (const [, label] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g))
        expect(entry?.labels, `${alert}: ${name}`).toContain(label);
    }
  }
  expect(asked).toBeGreaterThanOrEqual(rules.length);
});

it('every alert is explained in the guide to production', () => {
  const guide = read('../docs/guides/run-in-production.md');
  for (const { alert } of rules) expect(guide, alert).toContain(`\`${alert}\``);
});

it('the guide lists every metric with its labels and meaning, and none that does not exist', () => {
  const guide = read('../docs/guides/run-in-production.md');
  const rows = [...guide.matchAll(/^\| `(konstruct_\w+)` +\|.*$/gm)].map(
    ([row, name = '']) => [name, row.replaceAll(/ +/g, ' ')] as const,
  );
  const expected = Object.entries(metricTable).map(([name, { kind, labels, help }]) => {
    const listed = labels.map((label) => `\`${label}\``).join(', ') || '–';
    return [name, `| \`${name}\` | ${kind} | ${listed} | ${help} |`] as const;
  });
  expect(new Map(rows)).toEqual(new Map(expected));
});

it('a registry has every metric of the table', async () => {
  const { body } = await createMetrics({ process: false, log: silentLog }).read();
  for (const [name, { kind }] of Object.entries(metricTable))
    expect(body).toContain(`# TYPE ${name} ${kind}\n`);
});
