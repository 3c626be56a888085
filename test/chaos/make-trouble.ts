import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/core/clock.ts';
import type { FaultRequest } from '../../src/simulator/control-api.ts';
import type { ChaosInstallation, Seat } from './start-chaos-installation.ts';

/** What can go wrong, one at a time or several together. */
export interface Trouble {
  /** Does the next bad thing; what it takes to undo it goes on in the background. */
  next(): void;
  /** Takes everything back: all processes run, nothing fails any more. */
  heal(): Promise<void>;
  readonly counts: ReadonlyMap<string, number>;
}

export interface TroubleOptions {
  readonly installation: ChaosInstallation;
  readonly random: Random;
  readonly note: (what: string) => void;
  /** Makes the model fail in this way for a while; `null`: not at all. */
  readonly setModelFault: (fault: 'status' | 'cut' | 'slow' | null) => void;
}

/** Beyond the lease of 15 s. */
const PAUSE_MS = 20_000;

export function createTrouble({ installation, random, note, setModelFault }: TroubleOptions): Trouble {
  const { simulator, seats } = installation;
  const counts = new Map<string, number>();
  const underWay = new Set<Promise<unknown>>();
  const healing = new AbortController();
  const paused = new Set<Seat>();
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  /** Cut short when everything is to heal. */
  const pause = (ms: number) => sleep(ms, undefined, { signal: healing.signal }).catch(() => {});
  const inBackground = (work: Promise<unknown>) => {
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  };

  async function restart(seat: Seat): Promise<void> {
    for (;;) {
      try {
        await installation.start(seat);
        note(`${seat.name} is up, pid ${seat.process?.child.pid}`);
        return;
      } catch (error) {
        // Its start met the database's end, for example.
        note(`${seat.name} did not start: ${String(error).slice(0, 300)}`);
        await sleep(500);
      }
    }
  }

  function end(signal: 'SIGKILL' | 'SIGTERM', role: Seat['role']): boolean {
    const running = seats.filter((seat) => seat.role === role && seat.process !== null && !paused.has(seat));
    const seat = pick(running);
    if (seat === undefined) return false;
    const victim = seat.process;
    seat.process = null;
    const downMs = random() * 3_000;
    note(`${signal} ${seat.name}, pid ${victim?.child.pid}`);
    inBackground(
      (async () => {
        await victim?.end(signal);
        await pause(downMs);
        await restart(seat);
      })(),
    );
    return true;
  }

  function stopAndGoOn(): boolean {
    const running = seats.filter(
      (seat) => seat.role === 'worker' && seat.process !== null && !paused.has(seat),
    );
    const seat = pick(running);
    if (seat === undefined || paused.size > 0) return false;
    const victim = seat.process;
    paused.add(seat);
    note(`SIGSTOP ${seat.name}, pid ${victim?.child.pid}`);
    victim?.child.kill('SIGSTOP');
    inBackground(
      pause(PAUSE_MS).then(() => {
        note(`SIGCONT ${seat.name}`);
        victim?.child.kill('SIGCONT');
        paused.delete(seat);
      }),
    );
    return true;
  }

  function cutConnections(): boolean {
    const seat = pick(seats);
    const downMs = random() * 2_000;
    note(`cut ${seat.name} off the database for ${Math.round(downMs)} ms`);
    inBackground(
      (async () => {
        await seat.proxy.down();
        await pause(downMs);
        await seat.proxy.up();
      })(),
    );
    return true;
  }

  function slackFault(): boolean {
    const method = pick(['chat.postMessage', 'chat.update', 'chat.update', 'conversations.replies']);
    const remaining = 1 + Math.floor(random() * 3);
    const untilMs = Date.now() + 8_000;
    const fault: FaultRequest = pick<FaultRequest>([
      { kind: 'api_rate_limited', retryAfterSeconds: 1 + Math.floor(random() * 3), method },
      { kind: 'api_http_error', status: 503, method },
      { kind: 'api_cut_before', method },
      { kind: 'api_cut_after', method },
      { kind: 'api_cut_after', method },
      { kind: 'api_hang', workDone: true, method },
      { kind: 'api_hang', workDone: false, method },
      { kind: 'api_delay', delayMs: 3_000, method },
      { kind: 'event_ack_lost' },
      { kind: 'outage', untilMs: Date.now() + 2_000 },
    ]);
    note(`Slack: ${JSON.stringify({ ...fault, remaining })}`);
    simulator.faults.add({ untilMs, ...fault, remaining });
    return true;
  }

  function modelFault(): boolean {
    const fault = pick(['status', 'cut', 'slow'] as const);
    note(`model: ${fault}`);
    setModelFault(fault);
    inBackground(pause(3_000).then(() => setModelFault(null)));
    return true;
  }

  function killDatabase(): boolean {
    note('SIGKILL postmaster');
    try {
      installation.killPostmaster();
    } catch {
      return false; // on its way up still
    }
    return true;
  }

  let redisIsWell = true;
  function hurtRedis(): boolean {
    const { redis } = installation;
    if (redis === null || !redisIsWell) return false;
    redisIsWell = false;
    const downMs = random() * 4_000;
    const how = pick(['killed', 'stopped', 'emptied'] as const);
    note(`Redis ${how} for ${Math.round(downMs)} ms`);
    inBackground(
      (async () => {
        if (how === 'killed') await redis.kill();
        else if (how === 'stopped') redis.signal('SIGSTOP');
        else await redis.command('FLUSHALL');
        await pause(downMs);
        if (how === 'killed') await redis.restart();
        else if (how === 'stopped') redis.signal('SIGCONT');
        redisIsWell = true;
        note('Redis is well');
      })(),
    );
    return true;
  }

  const troubles: readonly (readonly [string, number, () => boolean])[] = [
    ['worker killed', 5, () => end('SIGKILL', 'worker')],
    ['gateway killed', 3, () => end('SIGKILL', 'gateway')],
    ['worker asked to stop', 1, () => end('SIGTERM', 'worker')],
    ['worker paused beyond its lease', 2, stopAndGoOn],
    ['postmaster killed', 1.5, killDatabase],
    ['database cut off', 3, cutConnections],
    ['Slack fault', 9, slackFault],
    ['model fault', 3, modelFault],
    ...(installation.redis ? [['Redis killed, stopped or emptied', 6, hurtRedis] as const] : []),
  ];
  const total = troubles.reduce((sum, [, weight]) => sum + weight, 0);

  return {
    counts,
    next() {
      let rest = random() * total;
      for (const [name, weight, make] of troubles) {
        rest -= weight;
        if (rest > 0) continue;
        if (make()) counts.set(name, (counts.get(name) ?? 0) + 1);
        return;
      }
    },
    async heal() {
      note('healing');
      healing.abort();
      simulator.faults.clear();
      setModelFault(null);
      while (underWay.size > 0) await Promise.all(underWay);
      simulator.faults.update({ faults: [] });
    },
  };
}
