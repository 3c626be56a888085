import { Command, Option } from 'commander';
import { KonstructError } from '../core/errors.ts';
import type { UsageGroup } from '../stores/usage.ts';
import { checkDay } from './check-day.ts';
import { createCommandContext, withCommandDatabase } from './command-context.ts';

interface UsageOptions {
  readonly tenant: string;
  readonly by: UsageGroup;
  readonly from?: string;
  readonly to?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** `konstruct usage` */
export function usageCommand(): Command {
  return new Command('usage')
    .summary('show what a tenant’s models were used for, what they cost, and its budgets')
    .description(
      'Shows what a tenant’s calls to models came to, from the ledger: this month, unless told otherwise. Days are ' +
        'those of the tenant’s time zone.',
    )
    .requiredOption('--tenant <slug>', 'whose')
    .addOption(
      new Option('--by <what>', 'a row for each')
        .choices(['agent', 'model', 'person', 'day'])
        .default('model'),
    )
    .option('--from <day>', 'first day, 2026-11-01 (default: the first of this month)')
    .option('--to <day>', 'last day, included (default: until now)')
    .option('--json', 'print it as JSON; money in 1e-9 US dollars')
    .option('--csv', 'print it as CSV')
    .action(async (options: UsageOptions, command: Command) => {
      if (options.json && options.csv) throw usage('Say --json or --csv, not both.');
      for (const name of ['from', 'to'] as const) checkDay(name, options[name]);
      const context = await createCommandContext(command);
      const [{ readUsage, readBudgetUsage, firstOfMonth }, { listTenants }, { withTenant }, format] =
        await Promise.all([
          import('../stores/usage.ts'),
          import('../stores/tenants.ts'),
          import('../db/with-tenant.ts'),
          import('./format-usage.ts'),
        ]);
      const report = await withCommandDatabase(context, async ({ database }) => {
        const tenant = (await listTenants(database)).find(({ slug }) => slug === options.tenant);
        if (!tenant) throw new KonstructError('not_found', `There is no tenant "${options.tenant}".`);
        return withTenant(database, tenant.id, async (transaction) => {
          const span = { from: options.from ?? (await firstOfMonth(transaction)), to: options.to ?? null };
          return {
            tenant: tenant.slug,
            ...span,
            by: options.by,
            rows: await readUsage(transaction, options.by, span),
            total: (await readUsage(transaction, null, span))[0],
            budgets: await readBudgetUsage(transaction),
          };
        });
      });
      if (options.json) console.log(JSON.stringify(report, null, 2));
      else if (options.csv) process.stdout.write(format.usageToCsv(options.by, report.rows));
      else console.log(format.formatUsage(options.by, report.rows, report.total, report.budgets));
    });
}

function usage(message: string): KonstructError {
  return new KonstructError('usage_invalid', message);
}
