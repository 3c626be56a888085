import { seededRandom } from '../support/seeded-random.ts';

/** JSON that no platform sends, made of what one does send. All of it is the same for the same random numbers. */

/** Deeper than `JSON.stringify`, and whatever else calls itself, can follow; `JSON.parse` reads any depth. */
const DEPTH = 6_000;
/** Half of what a platform may send. */
const MAX_NESTED_CHARACTERS = 300_000;

/** What only the text of JSON can say. Stands as a string in the value until that is written. */
const RAW = 'raw json: ';
const written: Readonly<Record<string, string>> = {
  'deep array': '['.repeat(DEPTH) + ']'.repeat(DEPTH),
  'deep object': `${'{"a":'.repeat(DEPTH)}1${'}'.repeat(DEPTH)}`,
  infinite: '1e400',
  'many digits': '9'.repeat(40),
};

/** Own keys, as `JSON.parse` makes them, that every object inherits otherwise. */
const prototypes: unknown = JSON.parse(
  '{"__proto__":{"polluted":"yes"},"constructor":"c","hasOwnProperty":1,"\\ud800\\u0000":1}',
);

const strange: readonly unknown[] = [
  ...Object.keys(written).map((name) => RAW + name),
  ...[null, true, false, [], {}, [null], [['x']], { a: [] }],
  // Neither a text nor a number can be made of it.
  { toString: 1, valueOf: 1 },
  prototypes,
  ...[0, -0, -1, 1.5, 1e300, -1e300, 2 ** 53, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 8.64e15 + 1],
  ...['', ' ', 'x', 'a\u0000b', '\ud800', 'a\udfff\u0000', '\u0000'],
  ...['__proto__', 'constructor', 'toString'],
  ...['9'.repeat(20), '-1', '0x10', '9999999999.999999999', '1e3'],
  ...[
    '+275760-09-13T00:00:00.000Z',
    '-271821-04-20T00:00:00Z',
    '0000-01-01T00:00:00Z',
    '2026-02-30T99:99:99Z',
  ],
];

type Path = readonly (string | number)[];

/** Where something stands in a value, itself first. */
function pathsOf(value: unknown, at: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [at];
  const inner = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return [at, ...inner.flatMap(([key, item]) => pathsOf(item, [...at, key]))];
}

/** With something else at a place. */
function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  if (Array.isArray(value))
    return value.map((item, index) => (index === key ? replaced(item, rest, by) : item));
  return Object.fromEntries(
    Object.entries(value as object).map(([name, item]) => [
      name,
      name === key ? replaced(item, rest, by) : item,
    ]),
  );
}

/** With parts of it gone, doubled or of another kind, and with keys that mean something to JavaScript. */
function fuzzed(value: unknown, random: () => number): unknown {
  const chance = random();
  if (chance < 0.06) return strange[Math.floor(random() * strange.length)];
  if (Array.isArray(value)) {
    const items = value.map((item) => fuzzed(item, random));
    return chance < 0.12 ? Array.from({ length: 4 }, () => items).flat() : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value)
    .filter(() => random() > 0.05)
    .map(([key, item]): [string, unknown] => [key, fuzzed(item, random)]);
  return Object.fromEntries(chance < 0.1 ? [...Object.entries(prototypes as object), ...entries] : entries);
}

/** A part of the value inside itself, and in there again, as often as a request has room for it. */
function nested(value: unknown, random: () => number): string {
  const paths = pathsOf(value);
  const inner = paths[Math.floor(random() * paths.length)] as Path;
  const outer = inner.slice(0, Math.floor(random() * inner.length));
  const hole = `${RAW}hole`;
  const [before = '', after = ''] = JSON.stringify(at(replaced(value, inner, hole), outer)).split(
    `"${hole}"`,
  );
  const times = Math.min(20_000, Math.floor(MAX_NESTED_CHARACTERS / (before.length + after.length + 1)));
  const core = JSON.stringify(at(value, inner));
  return toJson(replaced(value, outer, hole)).replace(
    `"${hole}"`,
    () => before.repeat(times) + core + after.repeat(times),
  );
}

function toJson(value: unknown): string {
  const json = JSON.stringify(value) ?? 'null';
  return json.includes(RAW)
    ? json.replaceAll(/"raw json: ([a-z ]+)"/g, (all, name: string) => written[name] ?? all)
    : json;
}

/** With some bytes gone, so that it may be no JSON any more. */
function cutBytes(json: string, random: () => number): string {
  const from = Math.floor(random() * json.length);
  return json.slice(0, from) + json.slice(from + 1 + Math.floor(random() * 20));
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) => (inner as Readonly<Record<string | number, unknown>>)[key],
    value,
  );
}

const FEW = 30;
const RANDOM_ROUNDS = 40;
const CUT_ROUNDS = 10;
const NESTED_ROUNDS = 2;
const MAX_SHOWN_CHARACTERS = 2_000;

/**
 * Every strange value in every place, and mixtures of them, which their seed makes again.
 *
 * @param tried places of this platform's bodies at which all of that was put already: then it is one of a few
 * @returns what is wrong, each with the first JSON for which it is
 */
export function fuzzJson(
  { kind, sample }: { readonly kind: string; readonly sample: unknown },
  read: (json: string) => string | null,
  tried: Set<string>,
): readonly string[] {
  const value: unknown = JSON.parse(JSON.stringify(sample));
  const found = new Map<string, string>();
  const check = (how: string, json: string): void => {
    const wrong = read(json);
    if (wrong === null || found.has(wrong)) return;
    found.set(wrong, `${kind}, ${how}: ${wrong}\n${json.slice(0, MAX_SHOWN_CHARACTERS)}`);
  };
  for (const [number, path] of pathsOf(value).entries()) {
    const name = path
      .filter((key) => typeof key === 'string')
      .slice(-3)
      .join('.');
    const some = strange.filter((_, index) => !tried.has(name) || index % FEW === number % FEW);
    tried.add(name);
    for (const other of some) check(`at ${path.join('.')}`, toJson(replaced(value, path, other)));
  }
  const rounds = (count: number, how: string, make: (random: () => number) => string): void => {
    for (let seed = 1; seed <= count; seed += 1) check(`${how} by seed ${seed}`, make(seededRandom(seed)));
  };
  rounds(RANDOM_ROUNDS, 'mixed', (random) => toJson(fuzzed(value, random)));
  rounds(CUT_ROUNDS, 'cut', (random) => cutBytes(JSON.stringify(value), random));
  rounds(NESTED_ROUNDS, 'nested', (random) => nested(value, random));
  return [...found.values()];
}

export function mixedJson(sample: unknown, random: () => number): string {
  return toJson(fuzzed(JSON.parse(JSON.stringify(sample)), random));
}
