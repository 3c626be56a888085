import { KonstructError } from '../core/errors.ts';
import type { Receiver } from './create-receiver.ts';

/** Who receives what comes to a path. @throws KonstructError `internal` when nobody does */
export function receiverOf(
  receivers: readonly { readonly path: string; readonly receive: Receiver }[],
  path: string,
): Receiver {
  const found = receivers.find((each) => each.path === path);
  if (found === undefined) throw new KonstructError('internal', `Nobody receives ${path}.`);
  return found.receive;
}
