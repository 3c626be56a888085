import { z } from 'zod';
import { nearestName } from '../core/nearest-name.ts';

/** An object that has no other keys than these; an unknown one is a problem that names the nearest known key. */
export function allowedOnly<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => describeUnknownKey(key, known)).join('\n')
        : undefined,
  });
}

/** Ends a sentence that begins with the unknown name. */
function describeUnknownKey(key: string, known: readonly string[]): string {
  const meant = nearestName(key, known);
  return meant === null
    ? `is not known here; use one of ${known.join(', ')}`
    : `is not known; did you mean ${meant}?`;
}

/**
 * Says in plain words what is wrong with a value and what to do; the words go on after the field's path. Never
 * contains the value itself: it may be a secret from the environment.
 */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is missing';
      if (issue.input === null) return `is empty; give ${describeType(issue.expected)}`;
      return `must be ${describeType(issue.expected)}, not ${describeValue(issue.input, issue.expected)}`;
    case 'too_small':
      if (issue.origin === 'string') return 'must not be empty';
      if (issue.origin === 'array') return 'must have at least one entry';
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'string') return `must be at most ${issue.maximum} characters long`;
      return `must be at most ${issue.maximum}`;
    case 'invalid_value':
      if (issue.input === undefined) return 'is missing';
      return typeof issue.input === 'string'
        ? describeUnknownValue(issue.input, issue.values.map(String))
        : `must be one of ${issue.values.join(', ')}`;
    case 'invalid_format':
      if (issue.format === 'url') {
        return 'is not an http(s) address; write it like https://llm.example.com/v1';
      }
      return undefined;
    default:
      return undefined;
  }
}

function describeUnknownValue(value: string, known: readonly string[]): string {
  const meant = nearestName(value, known);
  return `must be one of ${known.join(', ')}${meant === null ? '' : `; did you mean ${meant}?`}`;
}

function describeType(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    array: 'a list',
    object: 'a mapping of keys',
    record: 'a mapping of keys',
  };
  return words[expected] ?? expected;
}

function describeValue(value: unknown, expected: string): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping of keys';
  if (typeof value === 'string') return 'text';
  if (typeof value === 'number' && expected === 'int') return 'one with decimals';
  const advice = expected === 'string' ? ' (put it in quotes)' : '';
  if (typeof value === 'number') return `a number${advice}`;
  return typeof value === 'boolean' ? `true or false${advice}` : typeof value;
}
