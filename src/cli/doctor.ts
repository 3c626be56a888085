import { styleText } from 'node:util';
import { Command } from 'commander';
import { isKonstructError } from '../core/errors.ts';
import { type CommandContext, createCommandContext } from './command-context.ts';
import { type Finding, problemOf } from './doctor/check.ts';
import type { CheckResult } from './doctor/run-checks.ts';

/** `konstruct doctor` */
export function doctorCommand(): Command {
  return new Command('doctor')
    .summary('check configuration, database, models, connections, clock and public URL')
    .description('Checks the whole installation and says what to do about each finding. Changes nothing.')
    .option('--json', 'print the findings as JSON')
    .action(async (options: { json?: boolean }, command: Command) => {
      const results = await runDoctor(command);
      const all = results.flatMap(({ findings }) => findings);
      const count = (level: Finding['level']) => all.filter((finding) => finding.level === level).length;
      if (options.json) {
        console.log(JSON.stringify({ ok: count('problem') === 0, checks: results }, null, 2));
      } else {
        for (const { check, findings } of results) print(check, findings);
        console.log(`Problems: ${count('problem')}, warnings: ${count('warning')}, ok: ${count('ok')}.`);
      }
      if (count('problem') > 0) process.exitCode = 1;
    });
}

async function runDoctor(command: Command): Promise<readonly CheckResult[]> {
  let context: CommandContext;
  try {
    context = await createCommandContext(command);
  } catch (error) {
    if (!isKonstructError(error, 'config_invalid')) throw error;
    return [{ check: 'Configuration', findings: [problemOf(error, 'The environment')] }];
  }
  const { examine } = await import('./doctor/examine.ts');
  return examine(context);
}

const marks = { ok: '✓', warning: '!', problem: '✗' } as const;
const colours = { ok: 'green', warning: 'yellow', problem: 'red' } as const;

function print(check: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  console.log(check);
  for (const { level, text, remedy } of findings) {
    const line = `  ${marks[level]} ${text.replaceAll('\n', '\n    ')}`;
    console.log(process.stdout.isTTY ? styleText(colours[level], line) : line);
    if (remedy !== null) console.log(`    → ${remedy}`);
  }
}
