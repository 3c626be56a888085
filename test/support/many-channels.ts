import { defaultSeeds } from '../../src/simulator/default-seeds.ts';
import type { WorkspaceSeed } from '../../src/simulator/workspace.ts';
import { acme } from './people.ts';

/** About one message a second is sent to a channel, as Slack wants it: many at once need many channels. */
export const manyChannels: readonly string[] = Array.from({ length: 40 }, (_, index) => `C0MANY${index}`);

/** Acme's workspace alone, with those channels. */
export const workspaceWithManyChannels: readonly WorkspaceSeed[] = defaultSeeds.slice(0, 1).map((seed) => ({
  ...seed,
  channels: [
    ...seed.channels,
    ...manyChannels.map((id, index) => ({
      id,
      name: `many-${index}`,
      kind: 'public' as const,
      topic: '',
      memberIds: [acme.mara, acme.agent],
    })),
  ],
}));
