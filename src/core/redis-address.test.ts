import { describe, expect, it } from 'vitest';
import { parseRedisAddress } from './redis-address.ts';

const plain = { tls: false, cluster: false, username: null, password: null, database: 0 };

describe('parseRedisAddress', () => {
  it.each([
    ['redis://localhost', { ...plain, nodes: [{ host: 'localhost', port: 6379 }] }],
    [
      'redis://:p%40ss@host:6380/3',
      { ...plain, password: 'p@ss', database: 3, nodes: [{ host: 'host', port: 6380 }] },
    ],
    [
      'rediss://user:pass@[::1]:7000',
      { ...plain, tls: true, username: 'user', password: 'pass', nodes: [{ host: '::1', port: 7000 }] },
    ],
    [
      'redis+cluster://a:7000,b,10.0.0.3:7002',
      {
        ...plain,
        cluster: true,
        nodes: [
          { host: 'a', port: 7000 },
          { host: 'b', port: 6379 },
          { host: '10.0.0.3', port: 7002 },
        ],
      },
    ],
    [
      'rediss+cluster://:secret@cfg.example.com:6379/',
      {
        ...plain,
        tls: true,
        cluster: true,
        password: 'secret',
        nodes: [{ host: 'cfg.example.com', port: 6379 }],
      },
    ],
  ])('reads %s', (text, address) => {
    expect(parseRedisAddress(text)).toEqual({ ok: true, address });
  });

  it.each([
    ['http://host', 'is not an address of Redis'],
    ['redis://', 'names no host'],
    ['redis://host:0', 'names no host and port'],
    ['redis://host:70000', 'names no host and port'],
    ['redis://::1:6379', 'names no host and port'],
    ['redis://a:1,b:2', 'names 2 hosts; if they are a cluster, begin it with redis+cluster://'],
    ['rediss://a,b', 'begin it with rediss+cluster://'],
    ['redis://host/zero', 'number of a database'],
    ['redis+cluster://a,b/1', 'a cluster has only number 0'],
    ['redis+cluster://a,,b', 'names no host and port'],
    ['redis://a:7000/?cluster=true', 'takes no parameters'],
    ['redis://:100%@host', 'write % as %25'],
  ])('says what is wrong with %s, without repeating it', (text, problem) => {
    const parsed = parseRedisAddress(text);
    expect(parsed).toMatchObject({ ok: false, problem: expect.stringContaining(problem) });
  });
});
