/**
 * Whether an address is Slack's own: below the domain of its API, by https, or, where Slack is a stand-in, at the API's own
 * origin. A token, and what people sent, goes nowhere else, whatever an answer or a request says.
 */
export function isSlackAddress(address: string, apiUrl: string): boolean {
  const url = URL.parse(address);
  if (url === null || url.username !== '' || url.password !== '') return false;
  const api = new URL(apiUrl);
  if (url.origin === api.origin) return true;
  return url.protocol === 'https:' && url.port === '' && url.hostname.endsWith(`.${api.hostname}`);
}
