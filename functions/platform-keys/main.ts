import { randomBytes } from 'node:crypto';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { guarded } from '#adapters/aws/guarded.ts';
import { readEnv } from '#config/env.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';
import { createTurnKeys } from './turn-keys.ts';

const env = readEnv('platform-keys', process.env);
const basics = createBasics('platform-keys', env);
const turn = createTurnKeys({
  ...basics,
  client: guarded('secrets', new SecretsManagerClient({}), basics),
  secrets: { 'cursor-key': env.CURSOR_KEY_SECRET, 'identity-key': env.IDENTITY_KEY_SECRET },
  randomBytes,
});

/** Makes the next key of each secret in time, and drops those that nothing needs. Safe to repeat. */
export const handler = invoked(basics, turn);
