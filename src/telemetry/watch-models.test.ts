import { expect, it } from 'vitest';
import { silentLog } from '../../test/support/silent-log.ts';
import { createMetrics } from './create-metrics.ts';
import { watchModels } from './watch-models.ts';

it('tells of open circuits and keys that are set aside, and that they are over', async () => {
  const metrics = createMetrics({ process: false, log: silentLog });
  const open = { provider: 'openai', model: 'gpt', state: 'open' };
  let states: Parameters<typeof watchModels>[1] = () => ({
    circuits: [open, { ...open, state: 'half_open' }, { ...open, model: 'other', state: 'closed' }],
    keys: [{ provider: 'openai', state: 'dead' }],
    limits: [{ provider: 'openai', running: 3, waiting: 2 }],
  });
  watchModels(metrics, () => states());
  const read = async () =>
    (await metrics.read()).body.split('\n').filter((line) => line.startsWith('konstruct_model_'));
  expect(await read()).toEqual(
    expect.arrayContaining([
      'konstruct_model_circuits_open{provider="openai",model="gpt"} 2',
      'konstruct_model_keys_set_aside{provider="openai",state="dead"} 1',
      'konstruct_model_calls{provider="openai",state="running"} 3',
      'konstruct_model_calls{provider="openai",state="waiting"} 2',
    ]),
  );
  states = () => ({ circuits: [], keys: [], limits: [] });
  expect(await read()).toEqual(
    expect.arrayContaining([
      'konstruct_model_circuits_open{provider="openai",model="gpt"} 0',
      'konstruct_model_keys_set_aside{provider="openai",state="dead"} 0',
    ]),
  );
});
