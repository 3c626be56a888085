import type { Tool } from '../../src/core/tool.ts';

/** Tools for processes under test (`KONSTRUCT_TOOLS`): what they do shows at the `EffectServer` of EFFECT_URL. */
function effectTool(name: string, isRepeatable: boolean): Tool {
  return {
    name,
    description: `Does something to the outside world that ${isRepeatable ? 'may' : 'must not'} be done twice.`,
    title: `Doing ${name}`,
    isRepeatable,
    inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
    async run({ text }, { idempotencyKey, signal }) {
      const body = JSON.stringify({ tool: name, text, idempotencyKey });
      const response = await fetch(process.env.EFFECT_URL ?? '', { method: 'POST', body, signal });
      return response.text();
    },
  };
}

export const tools: readonly Tool[] = [effectTool('look_up', true), effectTool('book', false)];
