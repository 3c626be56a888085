import { type Check, type DoctorContext, type Finding, problemOf } from './check.ts';

export interface CheckResult {
  readonly check: string;
  readonly findings: readonly Finding[];
}

/** Runs checks side by side. A check that fails is a finding like any other, and hides none of the others. */
export function runChecks(checks: readonly Check[], context: DoctorContext): Promise<CheckResult[]> {
  return Promise.all(
    checks.map(async ({ name, run }) => {
      try {
        return { check: name, findings: await run(context) };
      } catch (error) {
        return { check: name, findings: [problemOf(error, 'The check itself failed')] };
      }
    }),
  );
}
