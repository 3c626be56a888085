import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Linux only: what processes have used so far, read from /proc, the same way for Node and PostgreSQL. */

const ticksPerSecond = readTicksPerSecond();

/** CPU of one process, user and system, in ms (in steps of a clock tick, mostly 10 ms). */
export function cpuMs(pid: number): number {
  const { ownTicks } = readStat(pid);
  return (ownTicks * 1_000) / ticksPerSecond;
}

/** CPU of a process, of all its children and of those that have ended (PostgreSQL: one process per connection). */
export function familyCpuMs(pid: number): number {
  const { ownTicks, endedChildrenTicks } = readStat(pid);
  let ticks = ownTicks + endedChildrenTicks;
  for (const child of childrenOf(pid)) {
    try {
      ticks += readStat(child).ownTicks;
    } catch {
      // It ended between the listing and the reading: the next reading has it with the ended ones.
    }
  }
  return (ticks * 1_000) / ticksPerSecond;
}

/** The most memory a process ever held (`VmHWM`), in MB. */
export function peakMemoryMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return Number(kilobytes) / 1_024;
}

export function parentOf(pid: number): number {
  return readStat(pid).parent;
}

/** The program's name, at most 15 characters. */
export function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}

function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return parentOf(pid) === parent;
      } catch {
        return false;
      }
    });
}

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html; the name in brackets may hold anything. */
function readStat(pid: number): { parent: number; ownTicks: number; endedChildrenTicks: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): number => Number(fields[number - 3]);
  return { parent: field(4), ownTicks: field(14) + field(15), endedChildrenTicks: field(16) + field(17) };
}

function readTicksPerSecond(): number {
  try {
    return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' })) || 100;
  } catch {
    return 100;
  }
}
