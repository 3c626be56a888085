import { isKonstructError } from '../../core/errors.ts';
import { CHECK_TIMEOUT_MS, type Check, ok, problem } from './check.ts';

/** Asks Slack whose SLACK_BOT_TOKEN is: processes that take messages do so when they start. Without it there is nothing to say. */
export const checkBotToken: Check = {
  name: 'Bot token',
  async run({ config, channels, signal }) {
    const botToken = config.slack.botToken?.reveal();
    const channel = channels.get('slack');
    if (botToken === undefined || channel === undefined) return [];
    const access = { connectionId: 'SLACK_BOT_TOKEN', externalId: '', credentials: { botToken } };
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(CHECK_TIMEOUT_MS)]);
      const { name, externalId } = await channel.identify(access, deadline);
      return [ok(`SLACK_BOT_TOKEN is of ${name} (${externalId}).`)];
    } catch (error) {
      signal.throwIfAborted();
      if (!isKonstructError(error)) throw error;
      const reason = String(error.details.platformError ?? error.code);
      return [
        error.code === 'platform_rejected'
          ? problem(
              `SLACK_BOT_TOKEN: Slack does not accept it (${reason}).`,
              'Set it to the token that Slack shows under OAuth & Permissions, or remove it.',
            )
          : problem(
              `SLACK_BOT_TOKEN: Slack was not reached (${reason}).`,
              'Check the network of this machine (firewall, proxy, DNS) and SLACK_API_URL.',
            ),
      ];
    }
  },
};
