/**
 * Where this installation's own pages come from: its public address, and where it listens if that is this machine only.
 * Exact, so a name that somebody lets lead here is none of them.
 *
 * @param ownUrl where the server listens: `http://127.0.0.1:8001`
 */
export function ownOrigins(publicUrl: string | null, ownUrl: string): readonly string[] {
  const origins = publicUrl === null ? [] : [new URL(publicUrl).origin];
  if (!URL.canParse(ownUrl)) return origins;
  const { hostname, origin, port } = new URL(ownUrl);
  return ['127.0.0.1', 'localhost', '[::1]'].includes(hostname)
    ? [...origins, origin, `http://localhost:${port}`]
    : origins;
}
