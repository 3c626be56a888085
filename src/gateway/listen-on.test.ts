import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import { expect, it } from 'vitest';
import { isKonstructError } from '../core/errors.ts';
import { listenOn } from './listen-on.ts';

async function failure(listening: Promise<string>): Promise<string> {
  try {
    return `listens at ${await listening}`;
  } catch (error) {
    if (!isKonstructError(error)) throw error;
    return `${error.code}: ${error.message}`;
  }
}

it('says which port is taken', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  expect(await failure(listenOn(Fastify(), '127.0.0.1', port))).toBe(
    `port_in_use: Port ${port} on 127.0.0.1 is taken by another program.`,
  );
  other.close();
});

it('says that the host is no address of this machine', async () => {
  expect(await failure(listenOn(Fastify(), '203.0.113.7', 0))).toBe(
    'address_unusable: 203.0.113.7 is no address of this machine.',
  );
});

it.each([
  ['EACCES', 80, 'this user may not listen on port 80.'],
  ['ENOTFOUND', 8001, 'the name not-a-host cannot be resolved.'],
  ['EAI_AGAIN', 8001, 'the name not-a-host cannot be resolved.'],
  ['EAFNOSUPPORT', 8001, 'this machine cannot listen on not-a-host (EAFNOSUPPORT).'],
])('says in words what %s means', async (code, port, words) => {
  const listen = () => Promise.reject(Object.assign(new Error(code), { code }));
  expect((await failure(listenOn({ listen }, 'not-a-host', port))).toLowerCase()).toBe(
    `address_unusable: ${words}`.toLowerCase(),
  );
});
