import { afterAll, describe, expect, it } from 'vitest';
import { createFilesInHand } from '../../src/orchestrator/create-files-in-hand.ts';
import { createFetchAttachments } from '../../src/orchestrator/fetch-attachments.ts';
import { aTurn } from '../support/a-turn.ts';
import { until } from '../support/conversation.ts';
import {
  attachment,
  type ParleyInstallation,
  shareParleyInstallations,
} from '../support/parley/start-parley-installation.ts';
import { recordingLog } from '../support/recording-log.ts';
import { callTools } from '../support/tool-calls.ts';

const installations = shareParleyInstallations();
afterAll(() => installations.stop());
let started: ParleyInstallation;

const png = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAIAAAA2iEnWAAAADklEQVR4nGP4z8AAQhAKAB37A/0kqxKpAAAAAElFTkSuQmCC',
  'base64',
);
const pdf = Buffer.from('%PDF-1.4\n1 0 obj << /Type /Page >> endobj\n%%EOF');
const looking = {
  routes: (model: { readonly urls: Readonly<Record<string, string>> }) => ({
    default: [
      {
        provider: 'openai-compatible' as const,
        model: 'test',
        baseUrl: model.urls['openai-compatible'] ?? '',
        apiKey: 'k',
        accepts: ['image' as const, 'pdf' as const],
      },
    ],
  }),
  app: { timing: { modelRetryDelaysMs: [20, 20, 20] } },
};
const start = async () => {
  started = await installations.get('looking', looking);
  return started;
};

function hold(id: string, content: Buffer | string, mediaType: string, delayMs?: number): void {
  const file = { content: Buffer.from(content as string), mediaType };
  started.parley.files.set(id, delayMs === undefined ? file : { ...file, delayMs });
}

/** What the model read of the message, the last time it was asked. */
function read(): string {
  return started.requests.at(-1)?.messages.findLast(({ role }) => role === 'user')?.content ?? '';
}

describe('what is attached to a message', () => {
  it('is shown to the model: pictures and documents themselves, texts in full, the rest by name', async () => {
    await start();
    hold('F1', png, 'image/png');
    hold('F2', pdf, 'application/pdf');
    hold('F3', 'a,b\n1,2\n', 'text/csv');
    hold('F4', 'x', 'audio/mp4');
    hold('F5', 'const answer = 42;', 'application/octet-stream');
    const said = await started.say('look', {
      attachments: [
        attachment('F1', { name: 'chart.png', mediaType: 'image/png' }),
        attachment('F2', { name: 'plan.pdf', mediaType: 'application/pdf' }),
        attachment('F3', { name: 'table.csv', mediaType: 'text/csv; charset=utf-8' }),
        attachment('F4', { name: 'voice.m4a', mediaType: 'audio/mp4' }),
        attachment('F5', { name: 'answer.ts' }),
      ],
    });
    await started.answersTo(said);
    expect(read().split('\n')).toEqual([
      'mara: look',
      '  [attached file: chart.png (image/png)]',
      '  [attached file: plan.pdf (application/pdf)]',
      '  [attached file: table.csv (text/csv; charset=utf-8); its content:]',
      '  a,b',
      '  1,2',
      '  [end of table.csv]',
      '  [attached file: voice.m4a (audio/mp4); not shown: files of this kind cannot be read]',
      '  [attached file: answer.ts (application/octet-stream); its content:]',
      '  const answer = 42;',
      '  [end of answer.ts]',
      '[chart.png:]',
      `‹image/png ${png.length} bytes›`,
      '[plan.pdf:]',
      `‹application/pdf ${pdf.length} bytes›`,
    ]);
    // In a later turn it is known by name.
    await started.say('and now?', { threadId: said.messageId });
    await until('the answer', () => started.answers(said).length === 2);
    const earlier = started.requests.at(-1)?.messages[0]?.content ?? '';
    expect(earlier).toContain('[attached file: chart.png (image/png)]');
    expect(earlier).not.toMatch(/‹|1,2/);
    const logged = JSON.stringify(started.installation.log.lines);
    expect(logged).not.toMatch(/chart\.png|table\.csv|answer = 42/);
  });

  it('can be looked at again in a later turn, with a tool that is there only then', async () => {
    await start();
    hold('F1', png, 'image/png');
    hold('F2', 'a,b\n', 'text/csv');
    const { model } = started.installation;
    const toolNames = () =>
      ((started.requests.at(-1)?.body.tools ?? []) as readonly { function: { name: string } }[]).map(
        (tool) => tool.function.name,
      );
    const said = await started.say('look', {
      attachments: [
        attachment('F1', { name: 'chart.png', mediaType: 'image/png' }),
        attachment('F2', { name: 'table.csv', mediaType: 'text/csv' }),
      ],
    });
    await started.answersTo(said);
    expect(toolNames()).not.toContain('read_attachment');
    model.respondNext(
      callTools(['read_attachment', { name: 'chart.png' }], ['read_attachment', { name: 'table.csv' }]),
      callTools(['read_attachment', { name: 'gone.png' }]),
      'Blue.',
    );
    await started.say('which colour is it?', { threadId: said.messageId });
    await until('the answer', () => started.answers(said).length === 2);
    expect(toolNames()).toContain('read_attachment');
    const [, second, third] = started.requests.slice(-3);
    const afterCalls = second?.messages.slice(-3).map(({ role, content }) => `${role}: ${content}`);
    expect(afterCalls).toEqual([
      'tool: It follows. If you do not see it any more, call again.',
      'tool: a,b\n',
      `user: [What you wanted to see:]\n[chart.png:]\n‹image/png ${png.length} bytes›`,
    ]);
    expect(third?.messages.at(-1)?.content).toContain('There are: chart.png, table.csv.');
    const steps = await started.installation.query(
      `select detail::text from konstruct.steps where kind = 'tool' and detail->>'name' = 'read_attachment'`,
    );
    expect(steps).toHaveLength(3);
    expect(JSON.stringify(steps)).not.toContain(png.toString('base64').slice(0, 20));
  });

  it('is fetched again by the next attempt, and by whoever takes the turn over', async () => {
    await start();
    hold('F1', png, 'image/png');
    const fetched = () => started.parley.calls.filter(({ operation }) => operation === 'fetchFile').length;
    const before = fetched();
    started.installation.model.respondNext({ status: 529 }, { status: 529 }, { status: 529 }, 'A chart.');
    const attachments = [attachment('F1', { name: 'chart.png', mediaType: 'image/png' })];
    const answers = await started.answersTo(await started.say('look', { attachments }));
    expect(answers.map(({ markdown }) => markdown)).toEqual(['A chart.']);
    expect(fetched() - before).toBeGreaterThan(1);
    expect(read()).toContain('‹image/png');
  });

  it('costs no answer when it cannot be had: the model is told why', async () => {
    await start();
    hold('too large', Buffer.alloc(3_750_001), 'image/png');
    hold('no picture', 'GIF? no', 'image/gif');
    hold('binary', Buffer.from([1, 0, 2]), 'text/plain');
    hold('encrypted', '%PDF-1.4 /Encrypt /Type /Page', 'application/pdf');
    const wide = Buffer.from(png);
    wide.writeUInt32BE(8_001, 16);
    hold('wide', wide, 'image/png');
    const named = (id: string, mediaType: string, sizeBytes: number | null = null) =>
      attachment(id, { name: id, mediaType, sizeBytes });
    const said = await started.say('look', {
      attachments: [
        named('gone', 'image/png'),
        named('too large', 'image/png'),
        named('known to be', 'image/png', 9_000_000),
        named('no picture', 'image/gif'),
        named('binary', 'text/plain'),
        named('encrypted', 'application/pdf'),
        named('wide', 'image/png'),
      ],
    });
    expect(await started.answersTo(said)).toHaveLength(1);
    const reasons = read().match(/(?<=not shown: ).*(?=\])/g);
    expect(reasons).toEqual([
      'it could not be fetched',
      'it is larger than 3.75 MB',
      'it is larger than 3.75 MB',
      'it is damaged, or no image',
      'it is no text',
      'it is encrypted, damaged or too complex',
      'it has more than 8000 pixels on a side',
    ]);
  });

  it('is read up to eight files and a bounded length', async () => {
    await start();
    const attachments = Array.from({ length: 9 }, (_, index) => {
      hold(`T${index}`, `${index}`.repeat(50_000), 'text/plain');
      return attachment(`T${index}`, { name: `${index}.txt`, mediaType: 'text/plain' });
    });
    await started.answersTo(await started.say('read', { attachments }));
    expect(read().match(/0{1000,}/)?.[0]).toHaveLength(40_000);
    expect(read()).toContain('[cut here: these are the first 40000 of 50000 characters]');
    expect(read()).toContain(
      '[attached file: 2.txt (text/plain); not shown: there is too much text already]',
    );
    expect(read()).toContain(
      '[attached file: 8.txt (text/plain); not shown: only the first 8 files are read]',
    );
    expect(read().length).toBeLessThan(90_000);
  });

  it('joins a turn that takes in what comes while it works', async () => {
    started = await installations.get('steering', {
      ...looking,
      agent: { busyMode: 'steer', tools: ['current_time'] },
    });
    hold('F1', png, 'image/png');
    const { model } = started.installation;
    const working = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let asked = 0;
    model.respond(async () => {
      asked += 1;
      if (asked > 1) return 'Both.';
      working.resolve();
      await goOn.promise;
      return { text: '', toolCalls: [{ id: 'call_1', name: 'current_time', input: {} }] };
    });
    const said = await started.say('first');
    await working.promise;
    const attachments = [attachment('F1', { name: 'chart.png', mediaType: 'image/png' })];
    await started.say('and this', { threadId: said.messageId, attachments });
    goOn.resolve();
    await started.answersTo(said);
    expect(read()).toMatch(
      /mara: and this\n {2}\[attached file: chart\.png \(image\/png\)\]\n\[chart\.png:\]\n‹image/,
    );
  });

  it('keeps nobody waiting who says stop while it is fetched', async () => {
    await start();
    hold('slow', png, 'image/png', 10_000);
    const before = started.requests.length;
    const attachments = [attachment('slow', { name: 'chart.png', mediaType: 'image/png' })];
    const said = await started.say('look', { attachments });
    await until('it is being fetched', () => started.parley.calls.at(-1)?.operation === 'fetchFile');
    const stoppedAtMs = Date.now();
    await started.send({
      type: 'reaction',
      account: said.account,
      eventId: null,
      channelId: said.channelId,
      messageId: said.messageId,
      senderId: 'MARA',
      emoji: '🛑',
      present: true,
      reactedAtMs: stoppedAtMs,
    });
    expect((await started.answersTo(said)).map(({ markdown }) => markdown)).toEqual(['Stopped.']);
    expect(Date.now() - stoppedAtMs).toBeLessThan(5_000);
    expect(started.requests.length).toBe(before);
  });

  it('is named only where nothing can be fetched', async () => {
    started = await installations.get('no files', {
      ...looking,
      capabilities: { files: { incoming: null, outgoing: null } },
    });
    const attachments = [attachment('F1', { name: 'chart.png', mediaType: 'image/png' })];
    await started.answersTo(await started.say('look', { attachments }));
    expect(read()).toContain(
      '[attached file: chart.png (image/png); not shown: files cannot be fetched here]',
    );
    expect(started.parley.calls.filter(({ operation }) => operation === 'fetchFile')).toEqual([]);
  });
});

it('what does not come in time is not waited for, even if the channel does not notice', async () => {
  const fetchAttachments = createFetchAttachments({
    delivery: {
      abilities: () => ({ buttons: null, reactions: false, incomingBytes: 1_000_000, outgoingBytes: null }),
      fetchFile: async (_turn, { externalId }) => {
        if (externalId === 'never') await new Promise(() => {});
        return { mediaType: 'text/plain', content: Buffer.from('here') };
      },
    },
    filesInHand: createFilesInHand(10_000_000),
    log: recordingLog(),
    deadlineMs: 50,
  });
  const files = ['never', 'soon'].map((id) => attachment(id, { mediaType: 'text/plain' }));
  const shown = await fetchAttachments(aTurn, files, new AbortController().signal);
  expect(shown).toEqual([
    { kind: 'named', reason: 'it could not be fetched in time' },
    { kind: 'text', text: 'here' },
  ]);
  const stopped = AbortSignal.abort(new Error('The worker stops.'));
  await expect(fetchAttachments(aTurn, files, stopped)).rejects.toThrow('The worker stops.');
});

it('files of many turns at once do not fill the memory: the next turn fetches when another one is over', async () => {
  const filesInHand = createFilesInHand(100_000);
  const fetched: string[] = [];
  const fetchAttachments = createFetchAttachments({
    delivery: {
      abilities: () => ({ buttons: null, reactions: false, incomingBytes: 1_000_000, outgoingBytes: null }),
      fetchFile: async (_turn, { externalId }) => {
        fetched.push(externalId);
        return { mediaType: 'image/png', content: Buffer.concat([png, Buffer.alloc(80_000)]) };
      },
    },
    filesInHand,
    log: recordingLog(),
  });
  const look = (turnId: number, id: string) =>
    fetchAttachments(
      { ...aTurn, turnId },
      [attachment(id, { mediaType: 'image/png', sizeBytes: 80_000 })],
      new AbortController().signal,
    );
  await look(1, 'first');
  const second = look(2, 'second');
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(fetched).toEqual(['first']);
  filesInHand.release(1);
  expect(await second).toMatchObject([{ kind: 'file' }]);
  expect(fetched).toEqual(['first', 'second']);
});
