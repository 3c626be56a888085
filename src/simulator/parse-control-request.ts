import { z } from 'zod';
import { SimulatorError } from './simulator-error.ts';

/** What a request of the control API says. @throws SimulatorError `invalid_request` */
export function parseControlRequest<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
): z.output<Schema> {
  const result = schema.safeParse(value);
  if (!result.success) throw new SimulatorError('invalid_request', 400, z.prettifyError(result.error));
  return result.data;
}
