import { expect, it } from 'vitest';
import { createProgramCache } from '#engine/program-cache.ts';
import { createVirtualClock } from '#local/virtual-clock.ts';
import type { ExecutionHeader } from '#ports/execution-store.ts';
import { chainOf } from '#test/support/platform.ts';

const program = chainOf(1);
const header = { tenant: 't', programHash: program.hash, workflowId: 'w' } as ExecutionHeader;

it('a store that is away for a moment is asked again; one read serves all who wait', async () => {
  const clock = createVirtualClock();
  let asked = 0;
  const find = async () => {
    asked += 1;
    if (asked < 4) throw new Error('away');
    return program;
  };
  const cache = createProgramCache({ find }, clock);
  const found = Promise.all([cache.find(header), cache.find(header)]);
  await clock.advance(100 + 200 + 400);
  expect(await found).toEqual([program, program]);
  expect([asked, cache.known(header)]).toEqual([4, program]);
});

it('a store that stays away, and a program that is not there, are refused', async () => {
  const clock = createVirtualClock();
  const away = createProgramCache({ find: () => Promise.reject(new Error('away')) }, clock);
  const refused = expect(away.find(header)).rejects.toThrow('away');
  await clock.advance(3_100);
  await refused;
  const empty = createProgramCache({ find: () => Promise.resolve(null) }, clock);
  await expect(empty.find(header)).rejects.toThrow('no program');
});
