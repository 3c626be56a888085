import type { Tool } from '../core/tool.ts';

/**
 * Puts a question to people with answers that they can press. What is pressed comes back as a message of whoever pressed
 * it. The call itself does nothing: the choices of the last one of a turn go with its answer (`compose-answer.ts`), so a
 * turn that is taken over has them from its log.
 */
export function createOfferChoices(): Tool {
  return {
    name: 'offer_choices',
    description:
      'Offers people a few short choices below your answer, as buttons where the platform has them, otherwise as a numbered list. Call it right before you ask; then write the question and do not list the choices yourself.',
    title: 'Preparing choices',
    isRepeatable: true,
    inputSchema: {
      type: 'object',
      properties: {
        choices: {
          type: 'array',
          minItems: 2,
          maxItems: 10,
          items: { type: 'string', minLength: 1, maxLength: 80 },
          description:
            'What can be chosen, each a few words. What is chosen is said to you in the same words.',
        },
      },
      required: ['choices'],
      additionalProperties: false,
    },
    async run() {
      return 'They will stand below your answer. Now write the question; do not list them in it.';
    },
  };
}
