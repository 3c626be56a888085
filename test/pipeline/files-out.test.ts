import { afterAll, describe, expect, it } from 'vitest';
import type { ToolOutput } from '../../src/core/tool.ts';
import { until } from '../support/conversation.ts';
import {
  type ParleyInstallation,
  shareParleyInstallations,
} from '../support/parley/start-parley-installation.ts';
import { readMetrics } from '../support/read-metrics.ts';
import { recordingTool } from '../support/recording-tool.ts';
import { callTools, lastResults } from '../support/tool-calls.ts';

const installations = shareParleyInstallations();
afterAll(() => installations.stop());
let started: ParleyInstallation;

const timing = { deliveryRetryDelaysMs: [20, 20, 20, 20], modelRetryDelaysMs: [20, 20, 20] };
const csv = 'day,hours\nMonday,8\n';
const attach = (overrides: Readonly<Record<string, unknown>> = {}) =>
  callTools(['attach_file', { name: 'hours.csv', mediaType: 'text/csv', content: csv, ...overrides }]);

/** What people see in the thread: texts, and files by their names and contents. */
async function seen(said: { readonly messageId: string }): Promise<readonly string[]> {
  return (await started.answersTo(said)).map(({ markdown, file }) =>
    file === null ? markdown : `${file.name} (${file.mediaType}): ${file.content}`,
  );
}

/** A tool of an operator that makes files, and remembers how often it was asked. */
let drawn: ToolOutput = { text: '' };
const draw = recordingTool('draw', async () => drawn, { isRepeatable: false });
const everything = { agent: { tools: ['attach_file', 'draw'] }, app: { tools: [draw], timing } };

describe('a file that an agent attaches', () => {
  it('is sent behind the answer, and its bytes are kept no longer than that', async () => {
    started = await installations.get('all', everything);
    const { model, query } = started.installation;
    model.respondNext(attach({ name: '../etc/ho"urs.csv' }), 'Here they are.');
    const said = await started.say('hours?');
    expect(await seen(said)).toEqual(['Here they are.', `ho urs.csv (text/csv): ${csv}`]);
    expect(lastResults(started.requests[1] as never)).toEqual([
      'Written.\n[ho urs.csv will be sent with your answer.]',
    ]);
    const [row] = await query(
      `select status, external_id is not null as named, content, detail from konstruct.deliveries
       where kind = 'answer' and position = 1 and content = 'ho urs.csv'`,
    );
    expect(row).toEqual({
      status: 'sent',
      named: true,
      content: 'ho urs.csv',
      detail: { file: { name: 'ho urs.csv', mediaType: 'text/csv' } },
    });
    model.respondNext('You are welcome.');
    await started.say('thanks', { threadId: said.messageId });
    await until('the answer', () => started.answers(said).length === 3);
    expect(started.requests.at(-1)?.messages.at(-2)?.content).toBe(
      'Here they are.\n\n[sent with it: ho urs.csv]',
    );
    expect(JSON.stringify(started.installation.log.lines)).not.toMatch(/Monday|urs\.csv/);
  });

  it.each([
    ['cut off after the platform had it, and found again', 'lost', 1],
    ['refused for a moment', 'away', 2],
    ['cut off before the platform had it', 'vanished', 2],
  ] as const)('stands there once although its sending was %s', async (_how, trouble, uploads) => {
    started = await installations.get('all', everything);
    started.installation.model.respondNext(attach(), 'Here.');
    const before = started.parley.calls.length;
    started.parley.hurt('upload', trouble);
    expect(await seen(await started.say('hours?'))).toEqual(['Here.', `hours.csv (text/csv): ${csv}`]);
    const made = started.parley.calls.slice(before);
    expect(made.filter(({ operation }) => operation === 'upload')).toHaveLength(uploads);
    expect(made.filter(({ operation }) => operation === 'edit')).toHaveLength(1);
  });

  it('goes when an answer without it takes the place of its own', async () => {
    started = await installations.get('all', everything);
    const { model } = started.installation;
    const long = `${'x'.repeat(4_000)}second part`;
    model.respondNext(attach(), 'Here.');
    const said = await started.say('hours?');
    await started.answersTo(said);
    model.respond(() => long);
    const { account, channelId, messageId, mentions } = said;
    const edit = { type: 'edit', account, eventId: null, channelId, messageId, threadId: null } as const;
    await started.send({
      ...edit,
      scope: 'channel',
      text: 'no, all of it',
      mentions,
      editedAtMs: Date.now(),
    });
    await until('the answer is replaced', () =>
      started.answers(said).some(({ markdown }) => markdown === 'second part'),
    );
    expect(await seen(said)).toEqual(['x'.repeat(4_000), 'second part']);
  });

  it('is counted', async () => {
    started = await installations.get('all', everything);
    const sent = async () => {
      const labels = { channel: 'parley', kind: 'file', outcome: 'sent' };
      return (await readMetrics(started.url)).value('konstruct_deliveries_total', labels) ?? 0;
    };
    const before = await sent();
    started.installation.model.respondNext(attach(), 'Here.');
    await started.answersTo(await started.say('hours?'));
    expect(await sent()).toBe(before + 1);
  });

  it('of an operator’s tool is sent too: within limits, once, also when another attempt goes on', async () => {
    const png = Buffer.from([0x89, 0x50, 0x4e, 0x47]);
    drawn = {
      text: 'Drawn.',
      files: [
        { name: 'chart.png', mediaType: 'image/png', content: png },
        { name: 'big.bin', mediaType: 'not a type', content: Buffer.alloc(1_000_001) },
      ],
    };
    const runs = draw.runs.length;
    started = await installations.get('all', everything);
    const { model } = started.installation;
    model.respondNext(callTools(['draw', { text: 'x' }]), { status: 529 }, { status: 529 }, { status: 529 });
    model.respond(() => 'See the chart.');
    const said = await started.say('draw');
    const [answer, file, ...others] = await started.answersTo(said);
    expect(answer?.markdown).toBe('See the chart.');
    expect(file?.file).toEqual({ name: 'chart.png', mediaType: 'image/png', content: png });
    expect(others).toEqual([]);
    expect(draw.runs).toHaveLength(runs + 1);
    expect(lastResults(started.requests.at(-1) as never)).toEqual([
      'Drawn.\n[chart.png will be sent with your answer.]\n[big.bin is not sent: it has 1000001 bytes, and at most 1000000 can be sent here.]',
    ]);
  });

  it.each([
    ['is refused for good', ['rejected'], {}],
    ['is refused again and again', ['away', 'away', 'away'], {}],
    ['may have arrived, and cannot be looked for', ['lost'], { findByMarker: false }],
  ] as const)(
    'is given up with a log line when it %s: the answer stands, and what comes behind is sent',
    async (_how, troubles, capabilities) => {
      started = await installations.get(JSON.stringify(capabilities), { app: { timing }, capabilities });
      const { model, log, query } = started.installation;
      const two = [
        ['attach_file', { name: 'a.txt', content: 'a' }],
        ['attach_file', { name: 'b.txt', content: 'b' }],
      ] as const;
      model.respondNext(callTools(...two), 'Here.');
      started.parley.hurt('upload', ...troubles);
      const said = await started.say('both?');
      const texts = await seen(said);
      expect(texts[0]).toBe('Here.');
      const [turn] = await query('select status, error_code from konstruct.turns');
      expect(turn).toEqual({ status: 'answered', error_code: null });
      const given = log.lines.filter(({ event }) => event === 'file.undelivered');
      expect(given.length).toBeGreaterThan(0);
      if (troubles.length === 1) expect(texts).toContain('b.txt (text/plain): b');
      expect(texts.filter((text) => text.startsWith('a.txt')).length).toBeLessThanOrEqual(1);
      expect(log.lines.filter(({ event }) => event === 'turn.dead')).toEqual([]);
    },
  );

  it('is sent by whoever takes the turn over between the answer and the file', {
    timeout: 30_000,
  }, async () => {
    started = await installations.get('short leases', {
      app: { timing: { leaseMs: 1_000, renewEveryMs: 60_000, pollEveryMs: 100 } },
    });
    const { model, query } = started.installation;
    model.respondNext(attach(), 'Here.');
    const hangs = Promise.withResolvers<void>();
    started.parley.hurt('upload', hangs.promise); // the worker stands still; its lease runs out
    const said = await started.say('hours?');
    await until(
      'another attempt has sent it',
      async () => (await query(`select 1 from konstruct.turns where status = 'answered'`)).length > 0,
    );
    expect(await seen(said)).toEqual(['Here.', `hours.csv (text/csv): ${csv}`]);
    hangs.resolve(); // it wakes up, and may not send any more
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await seen(said)).toEqual(['Here.', `hours.csv (text/csv): ${csv}`]);
  });

  it('stands in the answer where files cannot be sent, if it is short; otherwise the model is told', async () => {
    started = await installations.get('no files', {
      capabilities: { files: { incoming: null, outgoing: null } },
    });
    const { model } = started.installation;
    model.respondNext(
      attach({ content: 'a ``` b' }),
      attach({ name: 'long.txt', content: 'x'.repeat(3_001) }),
      'Here.',
    );
    const said = await started.say('hours?');
    expect(await seen(said)).toEqual(['Here.\n\n**hours.csv**\n\n````\na ``` b\n````']);
    expect(lastResults(started.requests[1] as never)[0]).toContain('will stand below your answer');
    expect(lastResults(started.requests[2] as never)[0]).toContain(
      '[long.txt is not sent: files cannot be sent here',
    );
  });
});

describe('a tool of an operator', () => {
  it('makes at most ten files for one answer, of what the platform takes', async () => {
    const files = Array.from({ length: 11 }, (_, index) => ({
      name: `${index}.txt`,
      mediaType: 'text/plain',
      content: index === 0 ? 'x'.repeat(101) : 'x',
    }));
    drawn = { text: 'Drawn.', files: [...files, ...files.slice(1, 2)] };
    started = await installations.get('small files', {
      ...everything,
      capabilities: { files: { incoming: null, outgoing: 100 } },
    });
    started.installation.model.respondNext(callTools(['draw', { text: 'x' }]), 'There.');
    const said = await started.say('draw');
    expect(await started.answersTo(said)).toHaveLength(11);
    const [read] = lastResults(started.requests[1] as never);
    expect(read).toContain('[0.txt is not sent: it has 101 bytes, and at most 100 can be sent here.]');
    expect(read).toContain('[1.txt is not sent: at most 10 files go with one answer.]');
  });
});
