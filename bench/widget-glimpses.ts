import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Glimpse } from '../src/core/glimpse.ts';
import type { MailboxRef } from '../src/core/mailbox.ts';
import { createDatabase } from '../src/db/create-database.ts';
import { createDatabasePool } from '../src/db/pool.ts';
import { createMailbox, createVisitorMailbox } from '../src/stores/mailbox.ts';
import { silentLog } from '../test/support/silent-log.ts';
import { startDatabaseServer } from './support/bench-database.ts';

/**
 * `node bench/widget-glimpses.ts`: what it costs to show 50 answers while they are written, 12 times a second for 5 s, to one
 * gateway: as notifications with what is new, or as edits of the row that the gateway then reads, with and without
 * waiting for the disk. CPU is PostgreSQL's and this process's, which is worker and gateway in one.
 */
const ANSWERS = 50;
const EVERY_MS = 80;
const SECONDS = 5;
const WORD = 'and so on ';
const WHOLE_EVERY = 12;

const server = await startDatabaseServer();
const database = await server.createDatabase('http://127.0.0.1:9', { history: 'none' });
const admin = new pg.Client({ connectionString: database.url });
await admin.connect();
const pool = createDatabasePool({ url: database.url, name: 'bench', size: 8, log: silentLog });
const mailbox = createMailbox(pool);
const visitors = createVisitorMailbox(pool, createDatabase(pool));
const { rows: connections } = await admin.query('select id, tenant_id from konstruct.connections limit 1');
const { id: connectionId, tenant_id: tenantId } = connections[0] as { id: string; tenant_id: string };
const boxes: (MailboxRef & { messageId: string })[] = [];
for (let answer = 0; answer < ANSWERS; answer += 1) {
  const box = { connectionId, channelId: `v:${answer}` };
  await visitors.keep(box, { messageId: 'v-hello', text: 'hello' });
  const post = {
    markdown: 'Thinking…',
    choices: [],
    marker: '1',
    authorName: null,
    isAnswer: false,
    isProvisional: true,
  };
  boxes.push({ ...box, messageId: (await mailbox.append(box, post))?.messageId ?? '' });
}

const gateway = new pg.Client({ connectionString: database.url });
await gateway.connect();
const lateMs: number[] = [];
const writtenAt = new Map<string, number>();
const seen = (channelId: string) => {
  const at = writtenAt.get(channelId);
  if (at !== undefined) lateMs.push(performance.now() - at);
  writtenAt.delete(channelId);
};
gateway.on('notification', ({ channel, payload = '' }) => {
  if (channel === 'konstruct_glimpse') {
    seen((JSON.parse(payload) as MailboxRef & { glimpse: Glimpse }).channelId);
    return;
  }
  const channelId = payload.slice(payload.indexOf(' ') + 1);
  void visitors.read({ tenantId }, { connectionId, channelId }, 1, 20).then(() => seen(channelId));
});
await gateway.query('listen konstruct_glimpse; listen konstruct_mailbox');

async function measure(
  way: string,
  show: (box: (typeof boxes)[number], text: string, round: number) => Promise<unknown>,
) {
  lateMs.length = 0;
  const before = {
    cpu: process.cpuUsage(),
    postgres: server.cpuMs(),
    wal: await wal(),
    at: performance.now(),
  };
  let shown = 0;
  await Promise.all(
    boxes.map(async (box) => {
      await sleep(Math.random() * EVERY_MS);
      let text = '';
      for (let round = 0; performance.now() - before.at < SECONDS * 1_000; round += 1) {
        text += WORD;
        writtenAt.set(box.channelId, performance.now());
        const due = sleep(EVERY_MS);
        await show(box, text, round);
        shown += 1;
        await due;
      }
    }),
  );
  await sleep(200);
  const node = process.cpuUsage(before.cpu);
  lateMs.sort((a, b) => a - b);
  return {
    way,
    'shown/s': Math.round(shown / SECONDS),
    'PostgreSQL µs each': Math.round(((server.cpuMs() - before.postgres) * 1_000) / shown),
    'Node µs each': Math.round((node.user + node.system) / shown),
    'WAL bytes each': Math.round(((await wal()) - before.wal) / shown),
    'p50 ms': Number((lateMs[lateMs.length >> 1] ?? 0).toFixed(1)),
    'p99 ms': Number((lateMs[Math.floor(lateMs.length * 0.99)] ?? 0).toFixed(1)),
  };
}

async function wal(): Promise<number> {
  const { rows } = await admin.query<{ bytes: string }>(
    `select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') as bytes`,
  );
  return Number(rows[0]?.bytes);
}

try {
  const notify = (box: (typeof boxes)[number], text: string, round: number) => {
    const from = round % WHOLE_EVERY === 0 ? 0 : text.length - WORD.length;
    return mailbox.glimpse(box, [
      { messageId: box.messageId, from, text: text.slice(from), length: text.length },
    ]);
  };
  const edit = (box: (typeof boxes)[number], text: string) =>
    mailbox.change(box, box.messageId, { markdown: text });
  await measure('warm-up', notify);
  const results = [await measure('notifications, what is new', notify)];
  results.push(await measure('edits of the row', edit));
  const { pathname } = new URL(database.url);
  await admin.query(`alter database ${pathname.slice(1)} set synchronous_commit = off`); // of new connections
  const quick = createDatabasePool({
    url: database.url,
    name: 'quick',
    size: 8,
    log: silentLog,
  });
  const quickMailbox = createMailbox(quick);
  results.push(
    await measure('edits of the row, not waiting for the disk', (box, text) =>
      quickMailbox.change(box, box.messageId, { markdown: text }),
    ),
  );
  await quick.end();
  console.table(results);
} finally {
  await pool.end();
  await gateway.end();
  await admin.end();
  await database.drop();
  await server.stop();
}
