import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { SNSClient } from '@aws-sdk/client-sns';
import { guarded } from '#adapters/aws/guarded.ts';
import { createIntegrityChecks } from '#adapters/lambda/integrity-checks.ts';
import { createS3Documents } from '#adapters/s3/documents.ts';
import { createSnsAnnouncements } from '#adapters/sns/announcements.ts';
import { createTaskAnswers } from '#adapters/stepfunctions/task-answers.ts';
import type { ProgramEnv } from '#config/env.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { createBasics } from './process.ts';

/** What operations of the platform have in either region. */
export function connectOperations(
  name: 'operations' | 'takeover',
  env: ProgramEnv<'operations' | 'takeover'>,
) {
  const basics = createBasics(name, env);
  const { clock, ids, log, metrics } = basics;
  return {
    basics,
    ids,
    log,
    metrics,
    answers: createTaskAnswers(guarded('states', new SFNClient({}), basics)),
    // Its expressions are our own: no process needs to stand between.
    evaluator: createInProcessEvaluator({ clock }),
    world: {
      clock,
      documents: createS3Documents(
        guarded('objects', new S3Client({}), basics),
        env.RECOVERY_BUCKET,
      ),
      announcements: createSnsAnnouncements(
        guarded('announcements', new SNSClient({}), basics),
        env.RECOVERY_TOPIC_ARN,
      ),
      integrity: createIntegrityChecks(
        guarded('functions', new LambdaClient({}), basics),
        env.INTEGRITY_FUNCTION_ARN,
      ),
    },
  };
}
