import { readEnv } from '#config/env.ts';
import { restoredPrefix } from '#config/recovery.ts';
import { readStage } from '#config/stages.ts';
import { isRestoredHost } from '#services/operations/restored-host.ts';
import { createIntegrityHandler } from '../shared/integrity.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('integrity', process.env);
const basics = createBasics('integrity', env);
const prefix = restoredPrefix(readStage(env.STAGE));

/** The database where the platform serves, and copies that are restored from it. */
export const handler = invoked(
  basics,
  createIntegrityHandler(basics, env, (host, own) => isRestoredHost(host, own, prefix)),
);
