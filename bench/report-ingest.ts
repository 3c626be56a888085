import type { DiscordIngestFigures } from './measures/discord-ingest.ts';
import type { DiscordMemoryFigures } from './measures/discord-memory.ts';
import type { MattermostIngestFigures } from './measures/mattermost-ingest.ts';
import type { SlackIngestFigures } from './measures/slack-ingest.ts';
import type { TelegramIngestFigures } from './measures/telegram-ingest.ts';
import type { TokenIngestFigures } from './measures/token-ingest.ts';
import type { WhatsAppIngestFigures } from './measures/whatsapp-ingest.ts';
import type { WidgetIngestFigures } from './measures/widget-ingest.ts';

/** What of a platform's requests was verified and parsed; a platform that was not measured is absent. */
export interface IngestResults {
  readonly ingest?: SlackIngestFigures;
  readonly telegramIngest?: TelegramIngestFigures;
  readonly whatsappIngest?: WhatsAppIngestFigures;
  readonly discordIngest?: DiscordIngestFigures;
  readonly discordMemory?: DiscordMemoryFigures;
  readonly widgetIngest?: WidgetIngestFigures;
  readonly mattermostIngest?: MattermostIngestFigures;
  readonly mattermostSocketIngest?: MattermostIngestFigures;
  readonly teamsIngest?: TokenIngestFigures;
  readonly googleChatIngest?: TokenIngestFigures;
}

interface Rate {
  /** `activity of Teams'` */
  readonly name: string;
  readonly bodyBytes: number;
  readonly perSecond: number;
  readonly cpuMicroseconds?: number;
  readonly sameTokenPerSecond?: number;
}

/** Each figure in words, with an empty line before it. */
export function ingestLines(results: IngestResults): readonly string[] {
  const lines = ratesOf(results).map(
    ({ name, bodyBytes, perSecond, cpuMicroseconds, sameTokenPerSecond }) => {
      const cpu = cpuMicroseconds === undefined ? '' : ` (${cpuMicroseconds.toFixed(0)} µs of CPU each)`;
      const same = sameTokenPerSecond === undefined ? '' : `, ${sameTokenPerSecond} with a token seen before`;
      return `One ${name} of ${bodyBytes} bytes: ${perSecond} a second are verified and parsed${cpu}${same}.`;
    },
  );
  if (results.ingest) {
    const { bodyBytes, verifyMicroseconds, parseMicroseconds } = results.ingest;
    lines.unshift(
      `One event of Slack's of ${bodyBytes} bytes: verify ${verifyMicroseconds.toFixed(1)} µs, parse ${parseMicroseconds.toFixed(1)} µs of CPU.`,
    );
  }
  if (results.discordIngest) {
    const { messagesPerSecond } = results.discordIngest;
    lines.push(`Messages over Discord's gateway: ${messagesPerSecond} a second are parsed.`);
  }
  if (results.discordMemory) {
    const { firstBotKilobytes, furtherBotKilobytes } = results.discordMemory;
    lines.push(
      `A Discord bot in a server of 500 channels: ${firstBotKilobytes} kB, each further one ${furtherBotKilobytes} kB.`,
    );
  }
  return lines.flatMap((line) => ['', line]);
}

/**
 * How many of each kind are verified and parsed in a second by one process. Where proofs are worked out in Node's other threads
 * it uses more than one core for it; what each takes of one is told in words.
 */
export function ingestTargets(
  results: IngestResults,
): readonly (readonly [name: string, perSecond: number])[] {
  const { ingest, discordIngest } = results;
  const targets: (readonly [string, number])[] = [];
  if (ingest)
    targets.push(["event of Slack's", 1_000_000 / (ingest.verifyMicroseconds + ingest.parseMicroseconds)]);
  for (const { name, perSecond } of ratesOf(results)) targets.push([name, perSecond]);
  if (discordIngest) targets.push(["message over Discord's gateway", discordIngest.messagesPerSecond]);
  return targets;
}

function ratesOf(results: IngestResults): readonly Rate[] {
  const rates = [
    ["update of Telegram's", results.telegramIngest],
    ["message of WhatsApp's", results.whatsappIngest],
    ["interaction of Discord's", results.discordIngest],
    ['message to a web chat', results.widgetIngest],
    ["webhook of Mattermost's", results.mattermostIngest],
    ['event of a Mattermost socket', results.mattermostSocketIngest],
    ["activity of Teams'", results.teamsIngest],
    ["event of Google Chat's", results.googleChatIngest],
  ] as const;
  return rates.flatMap(([name, figures]) => (figures === undefined ? [] : [{ name, ...figures }]));
}
