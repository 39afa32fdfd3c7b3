import { SFNClient } from '@aws-sdk/client-sfn';
import { guarded } from '#adapters/aws/guarded.ts';
import { type Collected, collectMachines } from '#adapters/stepfunctions/collect.ts';
import { readEnv } from '#config/env.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('collect-machines', process.env);
const basics = createBasics('collect-machines', env);
const client = guarded('states', new SFNClient({}), basics);
/** Longer than Step Functions remembers ended executions, so none of theirs is lost. */
const UNUSED_MS = 100 * 86_400_000;

/** Deletes machines that nobody has started for long. */
export const handler = invoked(basics, async (): Promise<Collected> => {
  const unusedSince = basics.clock.now() - UNUSED_MS;
  const done = await collectMachines({
    client,
    prefix: env.MACHINE_PREFIX,
    unusedSince,
    limit: 20_000,
  });
  basics.log.info('MACHINES_COLLECTED', { count: done.deleted, kept: done.seen - done.deleted });
  return done;
});
