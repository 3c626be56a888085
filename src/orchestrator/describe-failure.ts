import { isKonstructError } from '../core/errors.ts';

/** The honest sentence that stands in the thread when a turn could not be answered: what happened, and what to do. */
export function describeFailure(error: unknown, attempts: number): string {
  const tries = attempts === 1 ? 'once' : attempts === 2 ? 'twice' : `${attempts} times`;
  if (isKonstructError(error, 'model_unavailable')) {
    return `I could not reach my model; I tried ${tries}. Your message is kept, but I will not answer it by myself any more. Please ask me again in a few minutes.`;
  }
  if (isKonstructError(error, 'model_rejected')) {
    return 'I could not reach my model; it refused my request, so trying again does not help. Please tell whoever looks after me to check my model and its key.';
  }
  if (isKonstructError(error, 'route_unknown')) {
    return 'I could not reach my model; none is set up for me. Please tell whoever looks after me to check my model route.';
  }
  return `Something went wrong on my side; I tried ${tries}. Please ask me again, and tell whoever looks after me if it stays like this.`;
}

/** The same for an answer that exists, but that the platform does not take. */
export function describeUndelivered(error: unknown): string {
  const reason = isKonstructError(error) ? error.details.platformError : undefined;
  return `I have an answer, but it was refused when I wanted to post it${reason === undefined ? '' : ` (${String(reason)})`}. Please tell whoever looks after me.`;
}
