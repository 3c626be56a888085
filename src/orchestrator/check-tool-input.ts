import { Validator } from '@cfworker/json-schema';
import type { JsonSchema } from '../core/model.ts';
import type { Tool } from '../core/tool.ts';

const MAX_MISTAKES = 5;
const validators = new WeakMap<JsonSchema, Validator>();

/** What is wrong with the arguments of a call, for the model to correct; `null`: nothing. */
export function checkToolInput(
  { inputSchema }: Pick<Tool, 'inputSchema'>,
  input: Readonly<Record<string, unknown>>,
): string | null {
  let validator = validators.get(inputSchema);
  if (validator === undefined) {
    validator = new Validator(inputSchema, '2020-12', false);
    validators.set(inputSchema, validator);
  }
  const { valid, errors } = validator.validate(input);
  if (valid) return null;
  // The validator reports what holds a mistake as well as the mistake; the innermost says what to change.
  const innermost = errors.filter(
    ({ instanceLocation }) =>
      !errors.some((other) => other.instanceLocation.startsWith(`${instanceLocation}/`)),
  );
  return innermost
    .slice(0, MAX_MISTAKES)
    .map(({ instanceLocation, error }) => `${instanceLocation.slice(1) || 'the arguments'}: ${error}`)
    .join(' ');
}
