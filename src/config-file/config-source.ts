import {
  isMap,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
  type YAMLParseError,
} from 'yaml';
import type { Environment } from '../config.ts';

/** Where a value stands: keys and list positions from the root. */
export type FieldPath = readonly (string | number)[];

/** One thing that is wrong with a konstruct.yaml. */
export interface FileProblem {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** `tenants[0].agents[1].name`; empty where the problem is not about a field. */
  readonly field: string;
  /** What is wrong and what to do; goes on after the field. */
  readonly problem: string;
}

/** A YAML text as data, with the environment filled in, that knows where each value stands. */
export interface ConfigSource {
  readonly data: unknown;
  /** Of the YAML itself and of `${NAME}`s that the environment does not have. */
  readonly problems: readonly FileProblem[];
  /** A problem at a value, or at a key of it; where that is missing, at what should contain it. */
  locate(path: FieldPath, problem: string, key?: string): FileProblem;
}

type Document = ReturnType<typeof parseDocument>;

/**
 * Reads the text and replaces `${NAME}` in values by the environment's value. `$${NAME}` stands for `${NAME}` itself.
 * An empty variable counts as missing, as in the environment of the process.
 */
export function readConfigSource(yaml: string, env: Environment): ConfigSource {
  const lineCounter = new LineCounter();
  const document = parseDocument(yaml, { lineCounter, merge: true, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  const locate = (path: FieldPath, problem: string, key?: string): FileProblem => {
    const field = formatPath(key === undefined ? path : [...path, key]);
    return { ...at(findOffset(document, path, key)), field, problem };
  };
  const broken = document.errors
    .map((error) => ({ ...at(error.pos[0]), field: '', problem: describeSyntaxError(error, yaml) }))
    // One mistake makes several errors in its line.
    .filter(({ line }, index, all) => all.findIndex((other) => other.line === line) === index);
  if (broken.length > 0) return { data: null, problems: broken, locate };

  const problems: FileProblem[] = [];
  visit(document, {
    Scalar(position, scalar, ancestors) {
      if (position === 'key' || typeof scalar.value !== 'string' || !scalar.value.includes('${')) return;
      const missing: string[] = [];
      scalar.value = substitute(scalar.value, env, missing);
      const path = pathOf([...ancestors, scalar]);
      for (const name of missing) {
        problems.push({
          ...at(scalar.range?.[0] ?? 0),
          field: formatPath(path),
          problem: `needs the environment variable ${name}, which is not set; set it, or write $\${${name}} if the text is meant as it stands`,
        });
      }
    },
  });
  try {
    return { data: document.toJS(), problems, locate };
  } catch (error) {
    // Unknown or circular aliases, and more of them than is sane.
    return { data: null, problems: [locate([], `cannot be read: ${(error as Error).message}`)], locate };
  }
}

/** `tenants[0].agents[1].name` */
function formatPath(path: FieldPath): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');
}

function substitute(text: string, env: Environment, missing: string[]): string {
  return text.replaceAll(/\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (match, name: string) => {
    if (match.startsWith('$$')) return match.slice(1);
    const value = env[name];
    if (!value) missing.push(name);
    return value ?? '';
  });
}

/** The path of the last of these nodes, which are each contained in the one before. */
function pathOf(ancestry: readonly unknown[]): FieldPath {
  const path: (string | number)[] = [];
  for (const [index, node] of ancestry.entries()) {
    const next = ancestry[index + 1];
    if (isSeq(node) && next) path.push(node.items.indexOf(next));
    if (isMap(node) && next) path.push(keyText((next as Pair).key));
  }
  return path;
}

function findOffset(document: Document, path: FieldPath, key: string | undefined): number {
  let node: unknown = document.contents;
  let offset = offsetOf(node) ?? 0;
  for (const part of path) {
    const pair = isMap(node) ? node.items.find((item) => keyText(item.key) === String(part)) : null;
    node = resolveAlias(document, isSeq(node) ? node.items[Number(part)] : pair?.value);
    // An empty value has no place of its own: then the key's.
    offset = (isEmptyNode(node) ? offsetOf(pair?.key) : offsetOf(node)) ?? offset;
  }
  if (key === undefined) return offset;
  const pair = isMap(node) ? node.items.find((item) => keyText(item.key) === key) : null;
  return offsetOf(pair?.key) ?? offset;
}

function resolveAlias(document: Document, node: unknown): unknown {
  const alias = node as { resolve?: (document: Document) => unknown } | null | undefined;
  return typeof alias?.resolve === 'function' ? alias.resolve(document) : node;
}

function isEmptyNode(node: unknown): boolean {
  return node === null || node === undefined || (node instanceof Scalar && node.value === null);
}

function offsetOf(node: unknown): number | null {
  return (node as Partial<Node> | null | undefined)?.range?.[0] ?? null;
}

function keyText(key: unknown): string {
  return String(key instanceof Scalar ? key.value : key);
}

function describeSyntaxError({ message, pos: [offset] }: YAMLParseError, yaml: string): string {
  const isBareVariable = yaml.slice(offset - 1, offset + 1) === '${';
  const hint = isBareVariable ? '; put the whole value in quotes' : '';
  return `this is not valid YAML: ${message.replace(/[.:]? at line.*$/s, '').replace(/\.$/, '')}${hint}`;
}
