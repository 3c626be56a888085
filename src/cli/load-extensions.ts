import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { channelTable } from '../channel-table.ts';
import { type Config, configInvalid } from '../config.ts';
import type { Offered } from '../config-file/check-references.ts';
import type { ChannelDefinition } from '../core/channel-definition.ts';
import type { Tool } from '../core/tool.ts';

/** What an operator adds to an installation. */
export interface Extensions {
  readonly tools: readonly Tool[];
  /** All channels: those of this version and the operator's own. */
  readonly channels: readonly ChannelDefinition[];
}

type Variable = 'KONSTRUCT_TOOLS' | 'KONSTRUCT_CHANNELS';

const toolSchema = z.object({
  name: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be 1 to 64 letters, digits, _ and -'),
  description: z.string().min(1),
  title: z.string().min(1),
  inputSchema: z.looseObject({ type: z.literal('object') }),
  isRepeatable: z.boolean(),
  run: z.custom<Tool['run']>((value) => typeof value === 'function', 'must be a function'),
});

const path = z.string().regex(/^(\/[a-z][a-z0-9-]*)+$/, 'must be a path such as /company-chat');
const channelSchema = z.object({
  type: z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, 'must be lower-case letters, digits and hyphens'),
  displayName: z.string().min(1),
  webhook: z.object({ path, shared: z.boolean(), alsoPaths: z.array(path).optional() }),
  connection: z.object({
    externalId: z.instanceof(RegExp),
    externalIdMeaning: z.string().min(1),
    required: z.array(z.string()),
    optional: z.array(z.string()),
  }),
  ownStream: z.literal(true).optional(),
  defaultApiUrl: z.string(),
  open: z.custom<ChannelDefinition['open']>((value) => typeof value === 'function', 'must be a function'),
});

/** What a konstruct.yaml may name because of them. */
export function offeredBy({ tools, channels }: Extensions): Offered {
  return { toolNames: tools.map(({ name }) => name), channels };
}

/** Loads what the configuration names. @throws KonstructError `config_invalid`, naming file and field */
export async function loadExtensions(
  config: Pick<Config, 'toolFiles' | 'channelFiles'>,
): Promise<Extensions> {
  const [tools, channels] = await Promise.all([
    loadTools(config.toolFiles),
    loadChannels(config.channelFiles),
  ]);
  return { tools, channels };
}

/**
 * The tools that an operator adds (`KONSTRUCT_TOOLS`): each file exports a list named `tools`.
 *
 * @param files absolute paths
 * @throws KonstructError `config_invalid`, naming file and field
 */
export async function loadTools(files: readonly string[]): Promise<readonly Tool[]> {
  const schema = z.looseObject({ tools: z.array(toolSchema) });
  const modules = await Promise.all(
    files.map((file) => loadFile(file, 'KONSTRUCT_TOOLS', schema, 'is not a tool')),
  );
  // As they are: a tool may be an object with state.
  return modules.flatMap((loaded) => (loaded as { readonly tools: readonly Tool[] }).tools);
}

/**
 * The channels of this version and those that an operator adds (`KONSTRUCT_CHANNELS`): each file exports a list named
 * `channels`. None may take the name or a path of another.
 *
 * @param files absolute paths
 * @throws KonstructError `config_invalid`, naming file and field
 */
export async function loadChannels(files: readonly string[]): Promise<readonly ChannelDefinition[]> {
  const schema = z.looseObject({ channels: z.array(channelSchema) });
  const modules = await Promise.all(
    files.map(async (file) => ({
      file,
      loaded: await loadFile(file, 'KONSTRUCT_CHANNELS', schema, 'is not a channel'),
    })),
  );
  const all = [...channelTable];
  for (const { file, loaded } of modules) {
    for (const channel of (loaded as { readonly channels: readonly ChannelDefinition[] }).channels) {
      const taken = all.find(
        (other) =>
          other.type === channel.type || pathsOf(other).some((each) => pathsOf(channel).includes(each)),
      );
      if (taken !== undefined) {
        const problem = `names ${file}, whose channel "${channel.type}" has the name or a path of "${taken.type}"`;
        throw configInvalid([{ variable: 'KONSTRUCT_CHANNELS', problem }]);
      }
      all.push(channel);
    }
  }
  return all;
}

function pathsOf({ webhook, install }: ChannelDefinition): readonly string[] {
  const { path: first, alsoPaths = [] } = webhook;
  return [first, ...alsoPaths, ...(install === undefined ? [] : [install.path, install.redirectPath])];
}

async function loadFile(
  file: string,
  variable: Variable,
  schema: z.ZodType,
  isNone: string,
): Promise<unknown> {
  let loaded: unknown;
  try {
    loaded = await import(pathToFileURL(file).href);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw configInvalid([{ variable, problem: `names ${file}, which cannot be loaded: ${reason}` }]);
  }
  const result = schema.safeParse(loaded);
  if (!result.success) {
    throw configInvalid(
      result.error.issues.map(({ path: place, message }) => ({
        variable,
        problem: `names ${file}, whose export ${place.join('.')} ${isNone}: ${message}`,
      })),
    );
  }
  return loaded;
}
