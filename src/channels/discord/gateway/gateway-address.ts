import { rejected } from '../discord-error.ts';

/** The version that this speaks, in JSON and without compression. */
const PARAMETERS = '/?v=10&encoding=json';
const DISCORD = /(?:^|\.)discord\.gg$/;

/**
 * Where the gateway is opened: only where Discord is, or the host of an API address that the operator has set, because
 * the bot's token is shown there.
 *
 * @throws KonstructError `platform_rejected`
 */
export function gatewayAddress(url: unknown, apiUrl: string): string {
  const refuse = () => rejected('open gateway', 'address_foreign');
  if (typeof url !== 'string' || !URL.canParse(url)) throw refuse();
  const { protocol, hostname, host } = new URL(url);
  const api = new URL(apiUrl);
  const isDiscord = protocol === 'wss:' && DISCORD.test(hostname);
  const isOperators = hostname === api.hostname && (protocol === 'wss:' || api.protocol === 'http:');
  if (!isDiscord && !(isOperators && /^wss?:$/.test(protocol))) throw refuse();
  return `${protocol}//${host}${PARAMETERS}`;
}
