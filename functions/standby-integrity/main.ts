import { readEnv } from '#config/env.ts';
import { isEndpointOf } from '#services/operations/restored-host.ts';
import { createIntegrityHandler } from '../shared/integrity.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';

const env = readEnv('standby-integrity', process.env);
const basics = createBasics('standby-integrity', env);

/** The database where the platform waits, once it has an instance that answers. */
export const handler = invoked(basics, createIntegrityHandler(basics, env, isEndpointOf));
