import { afterAll, describe, expect, it } from 'vitest';
import { KonstructError } from '../../src/core/errors.ts';
import { keepStatus } from '../../src/orchestrator/keep-status.ts';
import { keepTyping } from '../../src/orchestrator/keep-typing.ts';
import { aTurn } from '../support/a-turn.ts';
import { until } from '../support/conversation.ts';
import {
  type ParleyInstallation,
  shareParleyInstallations,
} from '../support/parley/start-parley-installation.ts';
import { recordingLog } from '../support/recording-log.ts';
import { callTools } from '../support/tool-calls.ts';

const installations = shareParleyInstallations();
afterAll(() => installations.stop());
let started: ParleyInstallation;

const typed = () => started.parley.calls.filter(({ operation }) => operation === 'typing').length;
const toolNames = (body: Readonly<Record<string, unknown>> | undefined) =>
  ((body?.tools ?? []) as readonly { function: { name: string } }[]).map((tool) => tool.function.name);

describe('an agent', () => {
  it('reacts with an emoji on the newest message that it answers', async () => {
    started = await installations.get('all');
    const { model } = started.installation;
    model.respondNext(callTools(['react', { emoji: 'party' }]), 'Congratulations!');
    const said = await started.say('we won!');
    await started.answersTo(said);
    expect(started.parley.reactions).toEqual([{ messageId: said.messageId, emoji: '🎉' }]);
  });

  it('answers although the platform refuses its reaction', async () => {
    started = await installations.get('all');
    started.parley.hurt('react', 'rejected');
    started.installation.model.respondNext(callTools(['react', { emoji: 'heart' }]), 'Anyway.');
    const answers = await started.answersTo(await started.say('hello'));
    expect(answers.map(({ markdown }) => markdown)).toEqual(['Anyway.']);
  });

  it('does not type beside a placeholder', async () => {
    started = await installations.get('all');
    await started.answersTo(await started.say('hello'));
    expect(typed()).toBe(0);
  });

  it('is not told of reactions where there are no reactions', async () => {
    started = await installations.get('no reactions', { capabilities: { reactions: false } });
    await started.answersTo(await started.say('we won!'));
    const names = toolNames(started.requests[0]?.body);
    expect(names).toContain('offer_choices');
    expect(names).not.toContain('react');
  });
});

describe('where there is no placeholder', () => {
  const withoutEdit = { edit: false, remove: false };

  it('people see that the agent is typing while it works, and nothing waits for it', async () => {
    started = await installations.get('no edits', { capabilities: withoutEdit });
    const never = Promise.withResolvers<void>();
    started.parley.hurt('typing', never.promise);
    started.installation.model.respondNext({ text: 'Here.', delayMs: 100 });
    const answers = await started.answersTo(await started.say('hello'));
    expect(answers.map(({ markdown }) => markdown)).toEqual(['Here.']);
    expect(typed()).toBe(1);
    never.resolve();
  });

  it('a sign that the platform refuses harms nothing', async () => {
    started = await installations.get('no edits', { capabilities: withoutEdit });
    started.parley.hurt('typing', 'rejected');
    const answers = await started.answersTo(await started.say('hello'));
    expect(answers).toHaveLength(1);
    expect(started.installation.log.lines.map(({ event }) => event)).toContain('typing.failed');
  });
});

describe('keepTyping', () => {
  function start(typing: () => Promise<boolean>) {
    const slept: number[] = [];
    let wake = (): void => {};
    const log = recordingLog();
    const keeping = keepTyping({
      turn: aTurn,
      delivery: { typing },
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          slept.push(ms);
          wake = resolve;
          signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
        }),
      log,
      signal: new AbortController().signal,
    });
    return { keeping, slept, log, wake: () => wake() };
  }

  it('says it again every 15 seconds until the work ends', async () => {
    let signs = 0;
    const { keeping, slept, wake } = start(async () => {
      signs += 1;
      if (signs === 2) throw new KonstructError('platform_unavailable'); // for a moment
      return true;
    });
    for (let number = 1; number <= 3; number += 1) {
      await until('the next sign', () => slept.length === number);
      expect(signs).toBe(number);
      if (number < 3) wake();
    }
    keeping.stop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(signs).toBe(3);
    expect(slept).toEqual([15_000, 15_000, 15_000]);
  });

  it.each([
    ['there is nothing to show', async () => false],
    ['the platform refuses it', () => Promise.reject(new KonstructError('platform_rejected'))],
  ])('ends at once when %s', async (_why, typing) => {
    const { slept } = start(typing);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(slept).toEqual([]);
  });
});

describe('keepStatus', () => {
  function start(set: (isWorking: boolean) => Promise<void>) {
    const slept: number[] = [];
    let wake = (): void => {};
    const said: boolean[] = [];
    const log = recordingLog();
    const placeholder = Promise.withResolvers<void>();
    const keeping = keepStatus({
      turn: aTurn,
      delivery: {
        status: () => ({
          lastsMs: 100_000,
          async set(isWorking) {
            said.push(isWorking);
            await set(isWorking);
          },
        }),
      },
      placeholder: placeholder.promise,
      sleep: (ms, signal) =>
        new Promise((resolve, reject) => {
          if (signal?.aborted) return reject(signal.reason);
          slept.push(ms);
          wake = resolve;
          signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
        }),
      log,
      signal: new AbortController().signal,
    });
    return { keeping, slept, said, log, placeholder, wake: () => wake() };
  }
  const settle = () => new Promise((resolve) => setTimeout(resolve, 20));

  it('is set after a second, again when the placeholder has come and before it ends, and taken away', async () => {
    const { keeping, slept, said, placeholder, wake } = start(async () => {});
    await settle();
    expect([slept, said]).toEqual([[1_000], []]);
    wake();
    await until('it is set', () => slept.length === 2);
    placeholder.resolve();
    await until('it is set again', () => slept.length === 3);
    wake();
    await until('it is set a third time', () => slept.length === 4);
    expect(said).toEqual([true, true, true]);
    keeping.stop();
    await settle();
    expect(said).toEqual([true, true, true, false]);
  });

  it('is taken away after what is on its way, and not where none was set', async () => {
    const underWay = Promise.withResolvers<void>();
    const slow = start((isWorking) => (isWorking ? underWay.promise : Promise.resolve()));
    await settle();
    slow.wake();
    await until('it is being set', () => slow.said.length === 1);
    slow.keeping.stop();
    await settle();
    expect(slow.said).toEqual([true]);
    underWay.resolve();
    await settle();
    expect(slow.said).toEqual([true, false]);
    const quick = start(async () => {});
    quick.keeping.stop();
    await settle();
    expect(quick.said).toEqual([]);
  });

  it('that the platform refuses is said in the log and not tried again', async () => {
    const { said, log, wake } = start(() => Promise.reject(new KonstructError('platform_rejected')));
    await settle();
    wake();
    await until('the log', () => log.lines.some(({ event }) => event === 'status.failed'));
    expect(said).toEqual([true]);
  });
});
