/** Where Redis is, as `REDIS_URL` names it. Holds a password: keep it in a `Secret`. */
export interface RedisAddress {
  readonly tls: boolean;
  /** `false`: one server, or what looks like one. `true`: Redis Cluster; `nodes` are where its map is asked for. */
  readonly cluster: boolean;
  readonly nodes: readonly RedisNode[];
  readonly username: string | null;
  readonly password: string | null;
  /** Always 0 in a cluster. */
  readonly database: number;
}

export interface RedisNode {
  /** IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export type ParsedRedisAddress =
  | { readonly ok: true; readonly address: RedisAddress }
  /** What is wrong and what to write instead, as the rest of a sentence that begins with the variable's name. */
  | { readonly ok: false; readonly problem: string };

const DEFAULT_PORT = 6379;
const EXAMPLE = 'redis://:password@host:6379 or redis+cluster://:password@host-a:6379,host-b:6379';
const MAX_DATABASE = 65_535;

/**
 * Reads `redis://[[user]:password@]host[:port][/database]`, with TLS as `rediss://`, and a cluster as
 * `redis+cluster://` or `rediss+cluster://` with one or more `host[:port]`, separated by commas. Not `URL`: it knows
 * no list of hosts.
 */
export function parseRedisAddress(text: string): ParsedRedisAddress {
  const parts = /^(rediss?)(\+cluster)?:\/\/(?:(.*)@)?([^@/?#]*)(?:\/([^?#]*))?([?#].*)?$/s.exec(text);
  if (parts === null) return problem(`is not an address of Redis; write it like ${EXAMPLE}`);
  const [, scheme, clusterMark, credentials = '', hosts = '', path = '', rest] = parts;
  const cluster = clusterMark !== undefined;
  if (rest !== undefined) return problem(`takes no parameters after ? or #; write it like ${EXAMPLE}`);
  const nodes = hosts.split(',').map(parseNode);
  if (nodes.includes(null))
    return problem(`names no host and port that can be read; write it like ${EXAMPLE}`);
  if (nodes.length > 1 && !cluster) {
    return problem(`names ${nodes.length} hosts; if they are a cluster, begin it with ${scheme}+cluster://`);
  }
  if (path !== '' && (!/^\d+$/.test(path) || Number(path) > MAX_DATABASE)) {
    return problem(
      'ends in something that is not the number of a database; write it like redis://host:6379/0',
    );
  }
  if (cluster && Number(path) !== 0) return problem('names a database, and a cluster has only number 0');
  const colon = credentials.indexOf(':');
  try {
    return {
      ok: true,
      address: {
        tls: scheme === 'rediss',
        cluster,
        nodes: nodes as readonly RedisNode[],
        username: orNull(decodeURIComponent(colon < 0 ? credentials : credentials.slice(0, colon))),
        password: colon < 0 ? null : orNull(decodeURIComponent(credentials.slice(colon + 1))),
        database: Number(path),
      },
    };
  } catch {
    return problem('has a % in its user or password that is not followed by two hex digits; write % as %25');
  }
}

/** `host`, `host:port`, `[::1]:port`; an IPv6 address needs its brackets. */
function parseNode(text: string): RedisNode | null {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?$/i.exec(text.trim());
  if (parts === null) return null;
  const port = parts[3] === undefined ? DEFAULT_PORT : Number(parts[3]);
  return port < 1 || port > 65_535 ? null : { host: parts[1] ?? parts[2] ?? '', port };
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}

function problem(text: string): ParsedRedisAddress {
  return { ok: false, problem: text };
}
