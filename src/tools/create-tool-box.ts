import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Agent } from '../core/tenant.ts';
import { builtInToolNames, type Tool } from '../core/tool.ts';

/** What an agent may use, by name. */
export type ToolsOf = (agent: Pick<Agent, 'id' | 'tenantId' | 'tools'>) => ReadonlyMap<string, Tool>;

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * The tools of this installation. An agent that names none gets those that are built in; one that an operator added is
 * used only by agents that name it. A name that this process does not have is left out, with a log line: the agent
 * answers without it.
 *
 * @throws KonstructError `config_invalid` when a tool could not be called or two have one name
 */
export function createToolBox(tools: readonly Tool[], log: Log): ToolsOf {
  const byName = new Map<string, Tool>();
  for (const tool of tools) {
    const problem = NAME.test(tool.name)
      ? tool.inputSchema.type !== 'object'
        ? 'has an input schema whose type is not "object"'
        : byName.has(tool.name)
          ? 'is there twice'
          : null
      : 'has a name that models do not take: use 1 to 64 letters, digits, _ and -';
    if (problem !== null) throw new KonstructError('config_invalid', `The tool "${tool.name}" ${problem}.`);
    byName.set(tool.name, tool);
  }
  return (agent) => {
    const chosen = new Map<string, Tool>();
    for (const name of agent.tools ?? builtInToolNames) {
      const tool = byName.get(name);
      if (tool) chosen.set(name, tool);
      else log.warn('tool.missing', { tenantId: agent.tenantId, agentId: agent.id, tool: name });
    }
    return chosen;
  };
}
