import { Command, CommanderError } from 'commander';
import { type CommandEntry, commands } from './commands.ts';
import { printError } from './print-error.ts';
import { readVersion } from './read-version.ts';

const EXIT_OK = 0;
const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/**
 * Runs one command and returns the exit code: 0 when it did what it should, 1 when it failed, 2 when it was called
 * wrongly.
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  const program = await createProgram(args);
  try {
    await program.parseAsync(args, { from: 'user' });
    return Number(process.exitCode ?? EXIT_OK);
  } catch (error) {
    // Commander has said already what is wrong; help and version are errors to it as well, with exit code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    printError(error, { verbose: args.includes('--verbose') });
    return isUsageError(error) ? EXIT_USAGE : EXIT_FAILURE;
  }
}

async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('konstruct')
    .description('AI coworkers in the chat tools a company already uses.')
    .version(readVersion(), '--version', 'print the version')
    .option('--verbose', 'print more, also the stack of an error')
    .helpOption('--help', 'print this')
    .helpCommand(false)
    .showHelpAfterError('Run it with --help to see what it takes.')
    .exitOverride();
  const called = args.find((argument) => !argument.startsWith('-'));
  for (const entry of commands) {
    const command = entry.name === called ? await entry.load() : placeholder(entry);
    inherit(command, program);
    program.addCommand(command);
  }
  return program;
}

function placeholder({ name, summary }: CommandEntry): Command {
  return new Command(name).summary(summary).description(summary);
}

/** What `addCommand` leaves to the caller. */
function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
}

function isUsageError(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'usage_invalid';
}
