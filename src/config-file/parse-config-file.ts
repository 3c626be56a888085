import { configInvalid, type Environment } from '../config.ts';
import type { KonstructError } from '../core/errors.ts';
import { checkReferences, type Offered } from './check-references.ts';
import { type ConfigFile, configFileSchema } from './config-file.ts';
import { type ConfigSource, type FieldPath, type FileProblem, readConfigSource } from './config-source.ts';
import { describeIssue } from './describe-issue.ts';

/** A konstruct.yaml and what it is called in messages. */
export interface ConfigText {
  readonly fileName: string;
  readonly text: string;
}

export interface ParsedConfigFile {
  readonly file: ConfigFile;
  /** For problems that show later, against the database. */
  readonly locate: ConfigSource['locate'];
  /** Where an entry of a route stands: a route is written as a list or with `entries`. */
  readonly pathOfEntry: (route: string, index: number) => FieldPath;
}

/**
 * Reads a konstruct.yaml: YAML, `${NAME}`s of the environment, every rule.
 *
 * @param offered what the installation has beside what is built in
 * @throws KonstructError `config_invalid`, listing every problem with `file:line:column`, field and what to do
 */
export function parseConfigFile(
  { fileName, text }: ConfigText,
  env: Environment,
  offered: Offered = {},
): ParsedConfigFile {
  const source = readConfigSource(text, env);
  if (source.data === null && source.problems.length > 0) throw fileInvalid(fileName, source.problems);
  const data = source.data ?? {};
  const result = configFileSchema.safeParse(data, { error: describeIssue });
  const wrong = result.success ? [] : result.error.issues.flatMap((issue) => locateIssue(issue, source));
  const missing = new Set(source.problems.map(({ field }) => field));
  const problems = [
    ...source.problems,
    // A value that the environment should have given is wrong only for that reason.
    ...[...wrong, ...checkReferences(data, source.locate, offered)].filter(
      ({ field }) => !missing.has(field),
    ),
  ];
  if (!result.success || problems.length > 0) throw fileInvalid(fileName, problems);
  const routes = (data as { readonly routes?: Readonly<Record<string, unknown>> | null }).routes ?? {};
  return {
    file: result.data,
    locate: source.locate,
    pathOfEntry: (route, index) => [
      'routes',
      route,
      ...(Array.isArray(routes[route]) ? [] : ['entries']),
      index,
    ],
  };
}

/** The error for problems of a file, in the order of its lines. */
export function fileInvalid(fileName: string, problems: readonly FileProblem[]): KonstructError {
  const inOrder = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
  return configInvalid(
    inOrder.map(({ line, column, field, problem }) => ({
      variable: `${fileName}:${line}:${column}:${field === '' ? '' : ` ${field}`}`,
      problem,
    })),
    'The file',
  );
}

interface Issue {
  readonly code?: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

function locateIssue(issue: Issue, source: ConfigSource): FileProblem[] {
  const path: FieldPath = issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
  if (issue.code === 'unrecognized_keys' && issue.keys) {
    const messages = issue.message.split('\n');
    return issue.keys.map((key, index) => source.locate(path, messages[index] ?? 'is not known', key));
  }
  return [source.locate(path, issue.message)];
}
