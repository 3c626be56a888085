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
  if (isKonstructError(error, 'budget_exhausted')) return describeBudget(error.details);
  return `Something went wrong on my side; I tried ${tries}. Please ask me again, and tell whoever looks after me if it stays like this.`;
}

/** Amounts are nobody's business in a chat. */
function describeBudget({
  reason,
  scope,
  period,
  isHeld,
  needed,
  limit,
  resetsAt,
  timeZone,
}: Details): string {
  if (reason === 'unpriced') {
    return 'I may not use my model, because nobody has said what it costs. Please tell whoever looks after me.';
  }
  if (isHeld === true) {
    return 'My budget is taken up by what I am working on at this moment. Please ask me again in a few minutes.';
  }
  if (period === 'turn') {
    return 'This takes more than I may spend on one answer, so I stopped. Please ask me for a smaller part of it.';
  }
  const whose = scope === 'person' ? 'My budget for your questions' : 'My budget';
  if (Number(needed) > Number(limit)) {
    return `${whose} is too small for what an answer to this may cost, and waiting does not help. Please ask me for something smaller, or tell whoever looks after me.`;
  }
  const span = period === 'month' ? 'this month' : 'today';
  return `${whose} for ${span} is used up, so I stopped; it begins anew ${inTimeZone(resetsAt, timeZone)}.`;
}

type Details = Readonly<Record<string, unknown>>;

/** `on 24 November at 00:00 (Europe/Berlin)` */
function inTimeZone(instant: unknown, timeZone: unknown): string {
  const zone = typeof timeZone === 'string' ? timeZone : 'UTC';
  const parts = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat('en-GB', { ...options, timeZone: zone }).format(new Date(String(instant)));
  const date = parts({ day: 'numeric', month: 'long' });
  const time = parts({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  return `on ${date} at ${time} (${zone})`;
}

/** The same for an answer that exists, but that the platform does not take. */
export function describeUndelivered(error: unknown): string {
  const reason = isKonstructError(error) ? error.details.platformError : undefined;
  return `I have an answer, but it was refused when I wanted to post it${reason === undefined ? '' : ` (${String(reason)})`}. Please tell whoever looks after me.`;
}
