import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { checkCrossings, type Prompt } from '../support/check-crossings.ts';
import { checkPromises, type Findings, type ModelCall, tokenOf } from '../support/check-promises.ts';
import { seededRandom } from '../support/seeded-random.ts';
import { createTrouble } from './make-trouble.ts';
import { createRollingRestarts } from './rolling-restarts.ts';
import { type ChaosInstallation, startChaosInstallation } from './start-chaos-installation.ts';
import { createTalk } from './talk.ts';

/**
 * `npm run test:chaos -- [--minutes N] [--seed S] [--redis] [--rolling]`: gateways, workers, PostgreSQL, Slack and the model
 * fail at random while people write, and with `--redis` Redis too (with `--rolling` all processes are replaced in order, again
 * and again, behind a load balancer); then everything is healed, and what stands there is held against the promises. The seed decides
 * what is done; when it strikes depends on the machine, so a seed finds a bug again often, not always.
 */
const print = (text: string) => process.stdout.write(`${text}\n`);
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '3' },
    seed: { type: 'string' },
    rolling: { type: 'boolean', default: false },
    redis: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Math.floor(Math.random() * 1_000_000));
if (!(minutes > 0) || !Number.isInteger(seed)) {
  print('usage: test/chaos/run.ts [--minutes N] [--seed S] [--redis] [--rolling]');
  process.exit(2);
}

const IDLE_DEADLINE_MS = 240_000;
const random = seededRandom(seed);
const startedAtMs = Date.now();
const timeline: string[] = [];
const note = (what: string): void => {
  timeline.push(`${((Date.now() - startedAtMs) / 1000).toFixed(1).padStart(7)} s  ${what}`);
};

print(`chaos: seed ${seed}, ${minutes} min${values.redis ? ', with Redis' : ''}`);
const installation = await startChaosInstallation(random, { balanced: values.rolling, redis: values.redis });
try {
  process.exitCode = (await run(installation)) ? 0 : 1;
} finally {
  await installation.stop();
}
process.exit();

async function run(chaos: ChaosInstallation): Promise<boolean> {
  const modelCalls: ModelCall[] = [];
  const model = answerAsModel(chaos, modelCalls);
  const talk = createTalk(chaos, random);
  const trouble = createTrouble({ installation: chaos, random, note, setModelFault: model.setFault });
  if (!values.rolling) chaos.simulator.faults.add({ kind: 'event_duplicate', copies: 1 });
  const rolling = values.rolling ? createRollingRestarts(chaos, note) : null;

  const endAtMs = Date.now() + minutes * 60_000;
  let nextTroubleAtMs = Date.now() + 2_000;
  while (Date.now() < endAtMs) {
    await talk.next();
    if (rolling === null && Date.now() >= nextTroubleAtMs) {
      trouble.next();
      nextTroubleAtMs = Date.now() + 300 + random() * 2_200;
    }
    await sleep(100 + random() * 500);
  }
  await rolling?.stop();
  await trouble.heal();
  const healedAtMs = Date.now();
  const said = await talk.said();
  const idle = await waitUntilIdle(chaos);
  const idleAfterS = Math.round((Date.now() - healedAtMs) / 1000);
  const findings = await checkPromises({
    query: chaos.query,
    simulator: chaos.simulator,
    workspaceIds: chaos.workspaces.map(({ id }) => id),
    said,
    modelCalls,
  });
  const crossings = await checkCrossings({ ...chaos, said, prompts: model.prompts });
  const refused = chaos.failures.map((detail) => ({
    promise: 'no request fails while processes are replaced',
    detail,
  }));
  const pointless = model.pointless.map((detail) => ({
    promise: 'the model is asked about what was said',
    detail,
  }));
  const all = { ...findings, violations: [...findings.violations, ...crossings, ...refused, ...pointless] };
  const done = rolling ? new Map([['processes replaced', rolling.count()]]) : trouble.counts;
  report(all, new Map([...done, ...(await countRedis(chaos))]), idleAfterS);
  if (idle && all.violations.length === 0) return true;
  if (!idle) print(`NOT IDLE ${IDLE_DEADLINE_MS / 1000} s after everything was healed`);
  await reportViolations(chaos, all);
  return false;
}

function answerAsModel(chaos: ChaosInstallation, calls: ModelCall[]) {
  let fault: 'status' | 'cut' | 'slow' | null = null;
  const prompts: Prompt[] = [];
  /** All that people say has a token: what were these to answer? */
  const pointless: string[] = [];
  chaos.model.respond(async ({ system, messages }) => {
    prompts.push({ system: system ?? '', text: messages.map(({ content }) => content).join('\n') });
    const atMs = Date.now();
    const lastToken = tokenOf(messages.at(-1)?.content ?? '');
    calls.push({ atMs, lastToken });
    if (lastToken === '') pointless.push(JSON.stringify(messages).slice(0, 2_000));
    const call = calls.length;
    if (fault === 'status') return { status: random() < 0.5 ? 503 : 429 };
    if (fault === 'cut' && random() < 0.5) return { cut: true };
    const delayMs = fault === 'slow' ? 5_000 : random() * 1_200;
    // A long answer comes in several parts.
    const padding = random() < 0.1 ? `\n\n${'A long paragraph of the answer. '.repeat(600)}` : '';
    return { text: `answer ${call} to ${lastToken}${padding}`, delayMs };
  });
  return {
    prompts,
    pointless,
    setFault(next: typeof fault) {
      fault = next;
    },
  };
}

async function waitUntilIdle({ query }: ChaosInstallation): Promise<boolean> {
  const deadlineMs = Date.now() + IDLE_DEADLINE_MS;
  while (Date.now() < deadlineMs) {
    try {
      const open = await query('select 1 from konstruct.conversations where ready_at is not null limit 1');
      if (open.length === 0) return true;
    } catch {
      // The database is on its way up.
    }
    await sleep(250);
  }
  return false;
}

/** What the gateways that run at the end say of Redis: it was used, and done without. */
async function countRedis({
  seats,
  redis,
}: ChaosInstallation): Promise<readonly (readonly [string, number])[]> {
  if (redis === null) return [];
  const counts = { filtered: 0, fallenBack: 0, duplicates: 0, losses: 0 };
  for (const { role, process } of seats) {
    if (role !== 'gateway' || process === null) continue;
    const { redisCounts } = (await (await fetch(`${process.url}/health`)).json()) as {
      redisCounts: typeof counts;
    };
    for (const name of Object.keys(counts) as (keyof typeof counts)[]) counts[name] += redisCounts[name];
  }
  return Object.entries(counts).map(([name, count]) => [`Redis: ${name}, by the last gateways`, count]);
}

function report(findings: Findings, troubles: ReadonlyMap<string, number>, idleAfterS: number): void {
  const lines = [...Object.entries(findings.counts), ...troubles].map(
    ([name, count]) => `${String(count).padStart(6)}  ${name}`,
  );
  print(lines.join('\n'));
  print(`idle ${idleAfterS} s after everything was healed`);
  print(findings.violations.length === 0 ? 'every promise held' : `${findings.violations.length} VIOLATIONS`);
}

/** Everything that is known of the turns in question goes to a file. */
async function reportViolations(chaos: ChaosInstallation, { violations }: Findings): Promise<void> {
  for (const violation of violations.slice(0, 10)) print(JSON.stringify(violation));
  const lines: string[] = [...timeline, ''];
  for (const turnId of new Set(violations.flatMap(({ turnId }) => turnId ?? []))) {
    lines.push(`turn ${turnId}`);
    for (const table of ['turns', 'messages', 'deliveries', 'steps']) {
      const column = table === 'turns' ? 'id' : 'turn_id';
      const rows = await chaos.query(`select * from konstruct.${table} where ${column} = $1`, [turnId]);
      lines.push(...rows.map((row) => `  ${table}: ${JSON.stringify(row).slice(0, 800)}`));
    }
    for (const seat of chaos.seats) {
      for (const { lines: logged } of seat.past) {
        const own = logged.filter((line) => String(line.turnId) === turnId);
        lines.push(...own.map((line) => `  ${seat.name}: ${JSON.stringify(line).slice(0, 800)}`));
      }
    }
  }
  for (const violation of violations) lines.push(JSON.stringify(violation));
  const file = join(tmpdir(), `konstruct-chaos-${seed}.log`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  print(`seed ${seed}; timeline, rows and log lines: ${file}`);
}
