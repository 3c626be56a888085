import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const DEFAULT_PORT = 6379;

/**
 * Sends AUTH (where the address has a password) and PING. Resolves to `null` when Redis answered PONG, else to what is
 * wrong. No client library: these are two lines of its protocol.
 *
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export async function pingRedis(url: URL, signal: AbortSignal): Promise<string | null> {
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket =
    url.protocol === 'rediss:' ? connectTls({ port, host, servername: host }) : connect({ port, host });
  const password = decodeURIComponent(url.password);
  const user = decodeURIComponent(url.username);
  const auth = password === '' ? [] : [encode(['AUTH', ...(user === '' ? [] : [user]), password])];
  try {
    await once(socket, url.protocol === 'rediss:' ? 'secureConnect' : 'connect', { signal });
    socket.write([...auth, encode(['PING'])].join(''));
    let answer = '';
    while (answer.split('\r\n').length <= auth.length + 1) {
      const [chunk] = (await once(socket, 'data', { signal })) as [Buffer];
      answer += chunk.toString('utf8');
    }
    const refusal = answer.split('\r\n').find((line) => line.startsWith('-'));
    if (refusal !== undefined) return refusal.slice(1);
    return answer.includes('+PONG') ? null : 'it does not speak Redis’s protocol';
  } catch (error) {
    if (signal.aborted) return 'it did not answer in time';
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  } finally {
    socket.destroy();
  }
}

function encode(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join('')}`;
}
