import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const socket = new URL('../src/channels/discord/gateway/run-gateway-socket.ts', import.meta.url).href;
const table = new URL('../src/channel-table.ts', import.meta.url).href;

/** Modules of packages that a process has loaded after it did this. */
async function loadedBy(work: string): Promise<readonly string[]> {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = new Set();
    registerHooks({ resolve(specifier, context, next) { const found = next(specifier, context); loaded.add(found.url); return found; } });
    const { channelTable } = await import(${JSON.stringify(table)});
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const options = { apiUrl: 'http://127.0.0.1:9/api/', clock: Date.now, random: Math.random, sleep: async () => {}, log };
    const channels = new Map(channelTable.map((each) => [each.type, each.open(options)]));
    ${work}
    console.log(JSON.stringify([...loaded].filter((url) => url.includes('/node_modules/'))));
    process.exit(0);`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  });
  return JSON.parse(stdout) as readonly string[];
}

it('opening all channels, and parsing for them, loads no platform’s library', async () => {
  const parse = `for (const channel of channels.values()) {
    try { channel.parse({ path: '/', headers: {}, body: Buffer.from('{"type":"event_callback","update_id":1}') }); } catch {}
    channel.split('text');
  }`;
  expect(await loadedBy(parse)).toEqual([]);
});

it('a connection that listens on a WebSocket loads it, and nothing else', async () => {
  const loaded = await loadedBy(`
    const ended = new AbortController();
    const { runGatewaySocket } = await import(${JSON.stringify(socket)});
    const nothing = { handled: () => null, onDispatch() {}, onHeard() {}, failed: ended.signal, random: Math.random };
    await runGatewaySocket({ url: 'ws://127.0.0.1:9/', token: 'x', intents: 0, resume: null, ...nothing }, ended.signal);
  `);
  expect(loaded.length).toBeGreaterThan(0);
  expect(loaded.every((url) => url.includes('/node_modules/ws/'))).toBe(true);
});

it('a platform that proves itself by a token has its library loaded by the first of its requests', async () => {
  const loaded = await loadedBy(`await channels.get('teams').prepare();`);
  expect(loaded.some((url) => url.includes('/jose/'))).toBe(true);
  expect(loaded.some((url) => url.includes('/node_modules/ws/'))).toBe(false);
});

it('a platform that is listened to over WebSocket has its library loaded by the first connection', async () => {
  const loaded = await loadedBy(`await channels.get('mattermost').prepare();`);
  expect(loaded.some((url) => url.includes('/node_modules/ws/'))).toBe(true);
  expect(loaded.some((url) => /\/jose\/|\/@mattermost\//.test(url))).toBe(false);
});
