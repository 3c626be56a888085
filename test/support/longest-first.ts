import { readFileSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Tests that start processes or stand-ins come first: what takes a minute must not begin when the other workers are
 * about to run out of files. They alternate, because the first kind keeps the cores busy and the second mostly waits.
 * Within each, what took longest last time comes first, or else the longest file.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const kinds = {
      busy: [] as TestSpecification[],
      waiting: [] as TestSpecification[],
      short: [] as TestSpecification[],
    };
    for (const file of await super.sort(files)) kinds[kindOf(readFileSync(file.moduleId, 'utf8'))].push(file);
    const { busy, waiting, short } = kinds;
    const both = Array.from({ length: Math.max(busy.length, waiting.length) }, (_, index) => [
      busy[index],
      waiting[index],
    ]);
    return [...both.flat().filter((file) => file !== undefined), ...short];
  }
}

function kindOf(source: string): 'busy' | 'waiting' | 'short' {
  if (/\b(start\w*Process|startRollingFleet|startEmbeddedDatabase|runKonstruct|spawn\w*)\(/.test(source))
    return 'busy';
  return /\b(start\w*|createPipelineDatabase)\(/.test(source) ? 'waiting' : 'short';
}
