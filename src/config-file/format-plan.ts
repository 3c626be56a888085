import { styleText } from 'node:util';
import type { Change, FieldChange, Plan } from './plan.ts';

const signs = { create: '+', update: '~', remove: '-' } as const;
const colours = { create: 'green', update: 'yellow', remove: 'red' } as const;

/** The diff for people, without secrets. */
export function formatPlan(plan: Plan, options: { colour: boolean; dryRun: boolean }): string {
  const lines = plan.changes.map((change) => {
    const text = `${signs[change.action]} ${describeChange(change)}`;
    return options.colour ? styleText(colours[change.action], text, { validateStream: false }) : text;
  });
  const warnings = plan.warnings.map((warning) => `! ${warning}`);
  return [...lines, ...warnings, summarise(plan, options.dryRun)].join('\n');
}

function describeChange({ kind, tenant, name, fields }: Change): string {
  const owner = tenant === null || kind === 'tenant' ? '' : ` of ${tenant}`;
  const details = fields.length === 0 ? '' : `: ${fields.map(describeField).join(', ')}`;
  return `${kind} ${name}${owner}${details}`;
}

function describeField({ field, from, to }: FieldChange): string {
  return from === undefined || to === undefined ? `${field} changed` : `${field} ${from} → ${to}`;
}

function summarise({ changes, unchanged }: Plan, dryRun: boolean): string {
  if (changes.length === 0) return `Nothing to change (= ${unchanged} unchanged).`;
  const count = (action: Change['action']) => changes.filter((change) => change.action === action).length;
  const counts = `${count('create')} to create, ${count('update')} to change, ${count('remove')} to remove`;
  if (dryRun) return `Nothing was changed (dry run): ${counts}, ${unchanged} unchanged.`;
  return `Applied: ${counts.replaceAll(' to create', ' created').replaceAll(' to change', ' changed').replaceAll(' to remove', ' removed')}, ${unchanged} unchanged.`;
}
