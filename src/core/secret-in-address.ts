/** Names of query parameters that carry a secret: `key`, `api_key`, `apiKey`, `subscription-key`, `access_token`, `sig`, … */
const SECRET_PARAMETER =
  /(^|[^a-z])(api|access|auth|subscription|client|x)?[^a-z]*(key|token|secret|password|passwd|pwd|auth|authorization|credentials?|sig|signature|code)$/i;

/**
 * Where an address holds a secret, in words; `null`: it seems to hold none. Addresses are stored and shown as they are, a
 * secret is neither.
 */
export function secretInAddress(address: string): string | null {
  const url = URL.parse(address);
  if (url === null) return null;
  if (url.username !== '' || url.password !== '') return 'a user name or password before the @';
  const name = [...url.searchParams.keys()].find((each) => SECRET_PARAMETER.test(each));
  return name === undefined ? null : `a secret in its parameter ${name}`;
}
