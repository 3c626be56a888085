import type { Tool } from '../core/tool.ts';

/** What a model can write: text. Others are for tools that make them. */
const MEDIA_TYPES = [
  'text/plain',
  'text/markdown',
  'text/csv',
  'text/html',
  'application/json',
  'application/yaml',
  'application/xml',
  'image/svg+xml',
] as const;

/** Sends a text that the model writes as a file behind its answer; see `place-files.ts` for what becomes of it. */
export function createAttachFile(): Tool {
  return {
    name: 'attach_file',
    description:
      'Sends a text file with your answer: a table as CSV, a draft, a script, data. For what people will want to download or open; short things belong into the answer itself.',
    title: 'Writing a file',
    isRepeatable: true,
    inputSchema: {
      type: 'object',
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 100, description: 'With its ending: report.csv' },
        mediaType: { type: 'string', enum: MEDIA_TYPES, description: 'Default: text/plain.' },
        content: { type: 'string', minLength: 1, description: 'The whole text of the file.' },
      },
      required: ['name', 'content'],
      additionalProperties: false,
    },
    async run({ name, mediaType = 'text/plain', content }) {
      const file = { name: String(name), mediaType: String(mediaType), content: String(content) };
      return { text: 'Written.', files: [file] };
    },
  };
}
