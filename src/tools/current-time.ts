import type { Clock } from '../core/clock.ts';
import type { Tool } from '../core/tool.ts';

/** Tells the time: the prompt names only the day, so that its beginning stays the same and can be cached. */
export function createCurrentTime(clock: Clock): Tool {
  return {
    name: 'current_time',
    description:
      'Tells the current date and time. Use it for anything that depends on the hour, or on the day in a certain place.',
    title: 'Looking at the clock',
    isRepeatable: true,
    inputSchema: {
      type: 'object',
      properties: {
        timeZone: {
          type: 'string',
          description: 'IANA name of a time zone, for example Europe/Berlin. Default: UTC.',
        },
      },
      additionalProperties: false,
    },
    async run({ timeZone = 'UTC' }) {
      const now = new Date(clock());
      const zone = String(timeZone);
      return `${formatIn(zone).format(now)} in ${zone} (${now.toISOString()})`;
    },
  };
}

/** @throws Error in words that the model understands */
function formatIn(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'long', timeZone });
  } catch (cause) {
    throw new Error(
      `"${timeZone}" is not the IANA name of a time zone. Names look like Europe/Berlin or America/New_York.`,
      { cause },
    );
  }
}
