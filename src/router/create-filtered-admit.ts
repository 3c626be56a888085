import type { AdmissionFilter, FilterPass, SettledOutcome } from '../core/admission-filter.ts';
import type { Admit, AdmitEvent, AdmitMessage, AdmitOutcome } from './admit.ts';

/**
 * Asks the filter before the database: what it knows for certain costs no call of PostgreSQL. Edits and deletions
 * always reach PostgreSQL, after the messages that came before them.
 *
 * @throws what `admit` throws
 */
export function createFilteredAdmit(admit: Admit, filter: AdmissionFilter): Admit {
  const asked = new Set<Promise<unknown>>();

  async function admitMessage(event: AdmitMessage): Promise<AdmitOutcome> {
    const question = filter.ask(event);
    asked.add(question);
    const answer = await question;
    asked.delete(question);
    switch (answer.outcome) {
      case 'duplicate':
      case 'not_engaged':
      case 'limited':
        return answer;
      case 'pass':
        return admitPassed(event, answer);
      default:
        return answer satisfies never;
    }
  }

  async function admitPassed(event: AdmitMessage, answer: FilterPass): Promise<AdmitOutcome> {
    let outcome: SettledOutcome = 'failed';
    try {
      const result = await admit(withAnswer(event, answer));
      outcome = settledOutcome(result);
      return result;
    } finally {
      filter.settle(event, answer, outcome);
    }
  }

  return async (event: AdmitEvent) => {
    if (event.type === 'message' && isForFilter(event)) return admitMessage(event);
    // Copied: what is asked later is no concern of this edit.
    if (asked.size > 0) await Promise.all([...asked]);
    return admit(event);
  };
}

/**
 * Whether the ids of a message say all that the filter goes by. The parts of an album have one id; and to which
 * conversation a reply belongs only PostgreSQL knows.
 */
function isForFilter({ settleMs, repliesToId, addressed }: AdmitMessage): boolean {
  return settleMs === undefined && (repliesToId === undefined || addressed === 'yes');
}

function withAnswer(event: AdmitMessage, { charged, emptyBucket }: FilterPass): AdmitMessage {
  return {
    ...event,
    ...(charged ? { charged } : {}),
    ...(emptyBucket === null ? {} : { emptyBucket }),
    // Also when the filter was not asked: another gateway may remember that this thread has no conversation.
    ...(event.addressed === 'yes' ? { announce: true } : {}),
  };
}

function settledOutcome({ outcome }: AdmitOutcome): SettledOutcome {
  switch (outcome) {
    case 'edited':
    case 'deleted':
    case 'unknown_message':
      return 'failed'; // no outcome of a message
    default:
      return outcome;
  }
}
