import { SESv2Client } from '@aws-sdk/client-sesv2';
import type { Pool } from 'pg';
import { guarded } from '#adapters/aws/guarded.ts';
import { createMailTries } from '#adapters/postgres/mail-tries.ts';
import { createSesMailer } from '#adapters/ses/mailer.ts';
import type { ProgramEnv } from '#config/env.ts';
import type { Projection } from '#ports/projections.ts';
import { createMailSender } from '#services/notifications/send-mail.ts';
import type { Basics } from './process.ts';

/** Less than a try is given before another may begin. */
const CONNECT_MS = 3_000;
const ANSWER_MS = 10_000;

/** What sends mail where the platform is deployed. `pool`: role `cloudflow_relay`. */
export function openMail(
  basics: Pick<Basics, 'clock' | 'metrics'>,
  pool: Pool,
  env: Pick<ProgramEnv<'mail'>, 'PUBLIC_URL' | 'MAIL_FROM' | 'MAIL_CONFIGURATION_SET'>,
): Projection {
  const requestHandler = {
    connectionTimeout: CONNECT_MS,
    requestTimeout: ANSWER_MS,
    throwOnRequestTimeout: true,
  };
  // Each try is counted before it is made, so none is made by the client itself.
  const client = guarded('mail', new SESv2Client({ maxAttempts: 1, requestHandler }), basics);
  return createMailSender({
    mailer: createSesMailer(client, {
      from: env.MAIL_FROM,
      configurationSet: env.MAIL_CONFIGURATION_SET,
    }),
    tries: createMailTries(pool),
    publicUrl: () => env.PUBLIC_URL,
    ...basics,
  });
}
