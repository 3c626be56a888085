import type { Command } from 'commander';

export interface CommandEntry {
  readonly name: string;
  /** For the list of `konstruct --help`. */
  readonly summary: string;
  /** Loads the command's module: only the one that runs is loaded, so that `--help` answers at once. */
  readonly load: () => Promise<Command>;
}

/** Every command of `konstruct`, in the order of `--help`. A new command is its file and a line here. */
export const commands: readonly CommandEntry[] = [
  {
    name: 'dev',
    summary: 'run everything on this machine: database, gateway, worker, simulator',
    load: async () => (await import('./dev.ts')).devCommand(),
  },
  {
    name: 'serve',
    summary: 'run in production: gateway, worker or both',
    load: async () => (await import('./serve.ts')).serveCommand(),
  },
  {
    name: 'demo',
    summary: 'show the way of one message, on free ports and a temporary data folder',
    load: async () => (await import('./demo.ts')).demoCommand(),
  },
  {
    name: 'migrate',
    summary: 'bring the database up to date',
    load: async () => (await import('./migrate.ts')).migrateCommand(),
  },
  {
    name: 'apply',
    summary: 'make tenants, agents, connections and routes what a konstruct.yaml says',
    load: async () => (await import('./apply.ts')).applyCommand(),
  },
  {
    name: 'export',
    summary: 'print the konstruct.yaml of what is there, without secrets',
    load: async () => (await import('./export.ts')).exportCommand(),
  },
  {
    name: 'doctor',
    summary: 'check configuration, database, models, connections, clock and public URL',
    load: async () => (await import('./doctor.ts')).doctorCommand(),
  },
  {
    name: 'usage',
    summary: 'show what a tenant’s models were used for, what they cost, and its budgets',
    load: async () => (await import('./usage.ts')).usageCommand(),
  },
  {
    name: 'feedback',
    summary: 'list answers that people gave a 👎',
    load: async () => (await import('./feedback.ts')).feedbackCommand(),
  },
  {
    name: 'dead-letters',
    summary: 'list, show, replay or discard what could not be answered',
    load: async () => (await import('./dead-letters.ts')).deadLettersCommand(),
  },
  {
    name: 'backup',
    summary: 'write all that is in the database to a file',
    load: async () => (await import('./backup.ts')).backupCommand(),
  },
  {
    name: 'restore',
    summary: 'make a database what it was when a backup was made',
    load: async () => (await import('./restore.ts')).restoreCommand(),
  },
  {
    name: 'manifest',
    summary: 'print what a chat tool needs to know to make our app',
    load: async () => (await import('./manifest.ts')).manifestCommand(),
  },
  {
    name: 'install-link',
    summary: 'print a link by which people connect their workspace to a tenant',
    load: async () => (await import('./install-link.ts')).installLinkCommand(),
  },
  {
    name: 'keys',
    summary: 'rotate the master key',
    load: async () => (await import('./keys.ts')).keysCommand(),
  },
];
