import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { configInvalid } from '../config.ts';
import type { Tool } from '../core/tool.ts';

const toolSchema = z.object({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ and -'),
  description: z.string().min(1),
  title: z.string().min(1),
  inputSchema: z.looseObject({ type: z.literal('object') }),
  isRepeatable: z.boolean(),
  run: z.custom<Tool['run']>((value) => typeof value === 'function', 'must be a function'),
});
const moduleSchema = z.looseObject({ tools: z.array(toolSchema) });

/**
 * The tools that an operator adds (`KONSTRUCT_TOOLS`): each file exports a list named `tools`.
 *
 * @param files absolute paths
 * @throws KonstructError `config_invalid`, naming file and field
 */
export async function loadTools(files: readonly string[]): Promise<readonly Tool[]> {
  const lists = await Promise.all(files.map(loadFile));
  return lists.flat();
}

async function loadFile(file: string): Promise<readonly Tool[]> {
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw configInvalid([
      { variable: 'KONSTRUCT_TOOLS', problem: `names ${file}, which cannot be loaded: ${reason}` },
    ]);
  }
  const result = moduleSchema.safeParse(loaded);
  if (!result.success) {
    throw configInvalid(
      result.error.issues.map(({ path, message }) => ({
        variable: 'KONSTRUCT_TOOLS',
        problem: `names ${file}, whose export ${path.join('.') || 'tools'} is not a tool: ${message}`,
      })),
    );
  }
  const { tools } = loaded as { readonly tools: readonly Tool[] }; // as they are: a tool may be an object with state
  return tools;
}
