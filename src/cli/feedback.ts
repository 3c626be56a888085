import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import type { DislikedAnswer, FeedbackSum } from '../stores/feedback.ts';
import { alignTable } from './align-table.ts';
import { checkDay } from './check-day.ts';
import { createCommandContext, withCommandDatabase } from './command-context.ts';
import { parseLimit } from './parse-limit.ts';

interface FeedbackOptions {
  readonly tenant: string;
  readonly since?: string;
  readonly limit: string;
  readonly withText?: boolean;
  readonly json?: boolean;
}

/** `konstruct feedback` */
export function feedbackCommand(): Command {
  return new Command('feedback')
    .summary('list answers that people gave a 👎')
    .description(
      'Lists the answers of a tenant’s agents that people gave a 👎, newest first, with who answered and with which model. ' +
        'Shows no text unless told to. Days are those of the tenant’s time zone.',
    )
    .requiredOption('--tenant <slug>', 'whose')
    .option('--since <day>', 'first day, 2026-11-01 (default: all that is kept)')
    .option('--limit <n>', 'how many at most', '50')
    .option('--with-text', 'also what was asked and answered')
    .option('--json', 'print it as JSON')
    .action(async (options: FeedbackOptions, command: Command) => {
      checkDay('since', options.since);
      const limit = parseLimit(options.limit);
      const context = await createCommandContext(command);
      const [{ readDislikedAnswers, sumFeedback }, { listTenants }, { withTenant }] = await Promise.all([
        import('../stores/feedback.ts'),
        import('../stores/tenants.ts'),
        import('../db/with-tenant.ts'),
      ]);
      const report = await withCommandDatabase(context, async ({ database }) => {
        const tenant = (await listTenants(database)).find(({ slug }) => slug === options.tenant);
        if (!tenant) throw new KonstructError('not_found', `There is no tenant "${options.tenant}".`);
        return withTenant(database, tenant.id, async (transaction) => {
          const since = options.since ?? null;
          return {
            tenant: tenant.slug,
            since,
            ...(await sumFeedback(transaction, { since })),
            disliked: await readDislikedAnswers(transaction, {
              since,
              limit,
              withText: options.withText ?? false,
            }),
          };
        });
      });
      console.log(options.json ? JSON.stringify(report, null, 2) : format(report, report.disliked));
    });
}

function format({ up, down }: FeedbackSum, disliked: readonly DislikedAnswer[]): string {
  const sum = `People gave ${up} 👍 and ${down} 👎.`;
  if (disliked.length === 0) return sum;
  const rows = disliked.map((answer) => [
    String(answer.turn),
    `${answer.givenAt.toISOString().slice(0, 19).replace('T', ' ')}Z`,
    String(answer.conversation),
    `${answer.channel} ${answer.channelId}`,
    answer.agent ?? '-',
    answer.model ?? '-',
    String(answer.up),
    String(answer.down),
  ]);
  const table = alignTable([
    ['TURN', 'GIVEN', 'CONVERSATION', 'CHANNEL', 'AGENT', 'MODEL', 'UP', 'DOWN'],
    ...rows,
  ]);
  const texts = disliked.flatMap(({ turn, question, answer }) =>
    question === undefined
      ? []
      : [`\n#${turn} asked:\n${question ?? '(removed)'}\n#${turn} answered:\n${answer ?? '(removed)'}`],
  );
  return [sum, table, ...texts].join('\n');
}
