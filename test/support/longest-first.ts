import { readFileSync } from 'node:fs';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Tests that start processes come first, then those with an installation in their own: what takes a minute must not begin
 * when the other workers are about to run out of files. Within these, what took longest last time, or else the longest file.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = new Map(sorted.map((file) => [file, rankOf(readFileSync(file.moduleId, 'utf8'))]));
    return sorted.sort((a, b) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0));
  }
}

function rankOf(source: string): number {
  if (/\b(startServeProcess|startRollingFleet|runKonstruct|spawn)\(/.test(source)) return 0;
  return /\bstart\w*Installation\(/.test(source) ? 1 : 2;
}
