import type { WireBody } from './wire-body.ts';

const common = { id: 'message-1', attempt: 1 };

export const widgetBodies: readonly WireBody[] = [
  { kind: 'message', sample: { ...common, text: 'hello' } },
  { kind: 'choice', sample: { ...common, messageId: '7', choice: 'Yes' } },
  { kind: 'rating', sample: { ...common, messageId: '7', rating: 'up' } },
  { kind: 'stop', sample: { ...common, messageId: '7', stop: true } },
];
