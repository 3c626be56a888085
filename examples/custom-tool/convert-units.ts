// A tool of your own: one file that exports a list named `tools`. How it is used: docs/guides/add-a-tool.md.
//
//   KONSTRUCT_TOOLS=examples/custom-tool/convert-units.ts npm start
//
// and, in konstruct.yaml, on the agents that may use it:
//
//   tools: [current_time, read_conversation, convert_units]
import type { Tool } from '../../src/index.ts'; // in a program of yours: from 'konstruct'

const kilogramsPer = { kg: 1, g: 0.001, lb: 0.45359237, oz: 0.028349523125 } as const;
type Unit = keyof typeof kilogramsPer;
const units = Object.keys(kilogramsPer);

const convertUnits: Tool = {
  name: 'convert_units',
  // The model decides by this text alone whether to call it.
  description: 'Converts a weight from one unit to another. Use it instead of calculating yourself.',
  // People read this in the thread while it runs.
  title: 'Converting',
  // Nothing changes in the world: after a crash it is simply done again.
  isRepeatable: true,
  // What the model must give. Arguments that do not fit never reach `run`; the model is told and corrects them.
  inputSchema: {
    type: 'object',
    properties: {
      amount: { type: 'number', minimum: 0 },
      from: { enum: units },
      to: { enum: units },
    },
    required: ['amount', 'from', 'to'],
    additionalProperties: false,
  },
  // Returns what the model reads. An error's message is read by the model too, never by people.
  async run({ amount, from, to }) {
    const kilograms = Number(amount) * kilogramsPer[from as Unit];
    return `${kilograms / kilogramsPer[to as Unit]} ${String(to)}`;
  },
};

export const tools: readonly Tool[] = [convertUnits];
