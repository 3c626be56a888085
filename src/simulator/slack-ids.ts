import type { Random } from '../core/clock.ts';

const ID_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** An id of Slack's form: `slackId('Ev', random)` → `Ev08NE73GEU4`. */
export function slackId(prefix: string, random: Random, length = 10): string {
  let id = prefix;
  for (let index = 0; index < length; index += 1) {
    id += ID_CHARACTERS[Math.floor(random() * ID_CHARACTERS.length)];
  }
  return id;
}

/** A version 4 UUID from the given randomness, as in `client_msg_id`. */
export function randomUuid(random: Random): string {
  return 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replaceAll('x', () => Math.floor(random() * 16).toString(16));
}
