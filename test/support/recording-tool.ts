import type { Tool, ToolContext, ToolOutput } from '../../src/core/tool.ts';

export interface ToolRun {
  readonly input: Readonly<Record<string, unknown>>;
  readonly context: ToolContext;
}

/** A tool of a test's own that keeps what it was called with. */
export function recordingTool(
  name: string,
  run: (run: ToolRun, count: number) => string | ToolOutput | Promise<string | ToolOutput>,
  overrides: Partial<Tool> = {},
): Tool & { readonly runs: readonly ToolRun[] } {
  const runs: ToolRun[] = [];
  return {
    name,
    description: `The tool ${name} of a test.`,
    title: `Using ${name}`,
    isRepeatable: true,
    inputSchema: {
      type: 'object',
      properties: { text: { type: 'string' } },
      additionalProperties: false,
    },
    ...overrides,
    runs,
    async run(input, context) {
      runs.push({ input, context });
      return run({ input, context }, runs.length);
    },
  };
}
