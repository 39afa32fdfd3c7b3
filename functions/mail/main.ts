import { readEnv } from '#config/env.ts';
import { invoked } from '../shared/invoked.ts';
import { connectConsumer } from '../shared/kafka-function.ts';
import { openMail } from '../shared/mail.ts';

const env = readEnv('mail', process.env);
const { basics, answer } = connectConsumer('mail', (basics, pool) => ({
  mail: openMail(basics, pool, env),
}));

/** Sends mail. */
export const handler = invoked(basics, answer);
