import type { Attachment } from '../core/channel-event.ts';
import { KonstructError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { builtInToolNames, type Tool, type TurnTool } from '../core/tool.ts';
import type { ClaimedTurn } from '../core/turn.ts';

/** What the agent of a turn may use, by name. See `TurnTool.forTurn`. */
export type ToolsOf = (turn: ClaimedTurn, threadFiles: readonly Attachment[]) => ReadonlyMap<string, Tool>;

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * The tools of this installation. An agent that names none gets those that are built in; one that an operator added is
 * used only by agents that name it. A name that this process does not have is left out, with a log line: the agent
 * answers without it. What is of no use where the turn takes place is left out without one.
 *
 * @throws KonstructError `config_invalid` when a tool could not be called or two have one name
 */
export function createToolBox(tools: readonly (Tool | TurnTool)[], log: Log): ToolsOf {
  const byName = new Map<string, Tool | TurnTool>();
  for (const tool of tools) {
    const problem = NAME.test(tool.name)
      ? 'inputSchema' in tool && tool.inputSchema.type !== 'object'
        ? 'has an input schema whose type is not "object"'
        : byName.has(tool.name)
          ? 'is there twice'
          : null
      : 'has a name that models do not take: use 1 to 64 letters, digits, _ and -';
    if (problem !== null) throw new KonstructError('config_invalid', `The tool "${tool.name}" ${problem}.`);
    byName.set(tool.name, tool);
  }
  return (turn, threadFiles) => {
    const { agent } = turn;
    const chosen = new Map<string, Tool>();
    for (const name of agent.tools ?? builtInToolNames) {
      const tool = byName.get(name);
      if (tool === undefined)
        log.warn('tool.missing', { tenantId: agent.tenantId, agentId: agent.id, tool: name });
      const usable = tool !== undefined && 'forTurn' in tool ? tool.forTurn(turn, threadFiles) : tool;
      if (usable) chosen.set(name, usable);
    }
    return chosen;
  };
}
