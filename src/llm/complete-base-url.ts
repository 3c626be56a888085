/**
 * Adds the API version to an address that ends without one, and drops slashes at the end. The official clients differ:
 * `ANTHROPIC_BASE_URL` is written without `/v1` for Anthropic's own and with it for the AI SDK; both work here.
 */
export function completeBaseUrl(baseUrl: string, versionPath: string): string {
  const trimmed = baseUrl.replace(/\/+$/, '');
  return /\/v\d[^/]*$/.test(trimmed) ? trimmed : `${trimmed}${versionPath}`;
}
