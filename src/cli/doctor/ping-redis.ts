import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RedisAddress, RedisNode } from '../../core/redis-address.ts';

/**
 * Sends AUTH (where the address has a password) and PING, and asks a node of a cluster whether the cluster is whole.
 * Resolves to `null` when all is well, else to what is wrong. No client library: these are a few lines of its protocol,
 * and their answers say more than a library's errors.
 *
 * Source: https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
export async function pingRedis(
  { tls, cluster, username, password }: RedisAddress,
  { host, port }: RedisNode,
  signal: AbortSignal,
): Promise<string | null> {
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = tls ? connectTls({ port, host, ...servername }) : connect({ port, host });
  socket.setEncoding('utf8');
  const auth =
    password === null ? [] : [encode(['AUTH', ...(username === null ? [] : [username]), password])];
  const questions = [...auth, encode(['PING']), ...(cluster ? [encode(['CLUSTER', 'INFO'])] : [])];
  try {
    await once(socket, tls ? 'secureConnect' : 'connect', { signal });
    socket.write(questions.join(''));
    let answer = '';
    while (!isComplete(answer, auth.length, cluster)) {
      const [chunk] = (await once(socket, 'data', { signal })) as [string];
      answer += chunk;
    }
    const refusal = answer.split('\r\n').find((line) => line.startsWith('-'));
    if (refusal !== undefined) return refusal.slice(1);
    if (!answer.includes('+PONG')) return 'it does not speak Redis’s protocol';
    return cluster && !answer.includes('cluster_state:ok') ? 'its cluster is not complete' : null;
  } catch (error) {
    if (signal.aborted) return 'it did not answer in time';
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  } finally {
    socket.destroy();
  }
}

/** One line per simple answer; then an error, or what CLUSTER INFO says, whose first line is the state. */
function isComplete(answer: string, simpleBefore: number, cluster: boolean): boolean {
  const lines = answer.split('\r\n').slice(0, -1);
  if (lines.length < simpleBefore + 1) return false;
  return (
    !cluster ||
    lines.some((line) => line.startsWith('cluster_state:')) ||
    lines.filter((line) => line.startsWith('-')).length > 0
  );
}

function encode(words: readonly string[]): string {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
  return `*${words.length}\r\n${parts.join('')}`;
}
