import { readFile } from 'node:fs/promises';
import { text as readText } from 'node:stream/consumers';
import { Command } from 'commander';
import { KonstructError } from '../core/errors.ts';
import { createCommandContext, openCommandCipher, withCommandDatabase } from './command-context.ts';

interface ApplyCommandOptions {
  readonly file: string;
  readonly dryRun?: boolean;
  readonly prune?: boolean;
  readonly json?: boolean;
  readonly keysElsewhere?: boolean;
  readonly offline?: boolean;
  readonly replaceUnreadable?: boolean;
}

/** Providers are asked for this long, each and all together; in ms. */
const ASK_MS = 5_000;
const ASK_ALL_MS = 20_000;

/** `konstruct apply` */
export function applyCommand(): Command {
  return new Command('apply')
    .summary('make tenants, agents, connections and routes what a konstruct.yaml says')
    .description(
      'Makes tenants, agents, connections and routes what a konstruct.yaml says, and prints what it changed. Repeatable. ' +
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how it is written in the file
        '${NAME} in the file is taken from the environment.',
    )
    .requiredOption('-f, --file <file>', 'the konstruct.yaml; - reads standard input')
    .option('--dry-run', 'print what would change, and change nothing')
    .option('--prune', 'also remove what the sections of the file do not have')
    .option(
      '--keys-elsewhere',
      'take models without a key: the processes that answer have it in their environment',
    )
    .option('--offline', 'do not ask providers whether they have the models')
    .option('--replace-unreadable', 'store anew what the master key does not open, because its key is lost')
    .option('--json', 'print the changes as JSON')
    .action(async (options: ApplyCommandOptions, command: Command) => {
      const context = await createCommandContext(command);
      const source = await readSource(options.file);
      // Before a database is started: most mistakes need none.
      const { parseConfigFile } = await import('../config-file/parse-config-file.ts');
      const { loadExtensions, offeredBy } = await import('./load-extensions.ts');
      const offered = offeredBy(await loadExtensions(context.config));
      parseConfigFile(source, context.env, offered);
      const [
        { applyConfigFile },
        { formatPlan },
        { askForEntry, checkEntry },
        { revealProviderKeys },
        prices,
      ] = await Promise.all([
        import('../config-file/apply-config-file.ts'),
        import('../config-file/format-plan.ts'),
        import('../llm/check-entry.ts'),
        import('../config.ts'),
        import('../llm/prices/create-price-list.ts'),
      ]);
      const { dryRun = false, prune = false, offline = false } = options;
      const unset = options.keysElsewhere ? 'told' : 'refused';
      const signal = AbortSignal.timeout(ASK_ALL_MS);
      const keys = revealProviderKeys(context.config.models);
      const priceList = prices.createPriceList(Date.now, keys);
      const plan = await withCommandDatabase(
        context,
        async (opened) =>
          applyConfigFile({
            database: opened.database,
            cipher: await openCommandCipher(context, opened),
            source,
            env: context.env,
            prune,
            dryRun,
            replaceUnreadable: options.replaceUnreadable ?? false,
            offered,
            checkEntry: async (entry) =>
              offline ? checkEntry(entry, keys) : askForEntry(entry, { keys, signal, timeoutMs: ASK_MS }),
            unset,
            hasPrice: async (entry) => (await priceList.find(entry)) !== null,
            isThoughtFree: prices.isThoughtFree,
            answerCost: prices.answerCostBy(priceList),
          }),
        { mayMake: true },
      );
      if (options.json) {
        const { changes, unchanged, warnings } = plan;
        console.log(JSON.stringify({ dryRun, changes, unchanged, warnings }, null, 2));
      } else {
        console.log(formatPlan(plan, { dryRun, colour: process.stdout.isTTY ?? false }));
      }
    });
}

async function readSource(file: string): Promise<{ fileName: string; text: string }> {
  if (file === '-') return { fileName: '<stdin>', text: await readText(process.stdin) };
  try {
    return { fileName: file, text: await readFile(file, 'utf8') };
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new KonstructError('usage_invalid', `The file ${file} ${reason}.`, { cause });
  }
}
