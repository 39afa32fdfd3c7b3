import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import { isJsonObject, type Json } from '#core/json.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import type { IntegrityChecks } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

/** Asks the function that stands beside the database, and waits for its answer. */
export function createIntegrityChecks(client: LambdaClient, functionArn: string): IntegrityChecks {
  return {
    async check({ host, ...rest }) {
      const { Payload, FunctionError } = await asked('the check of integrity', () =>
        client.send(
          new InvokeCommand({
            FunctionName: functionArn,
            Payload: JSON.stringify({ ...rest, ...(host === null ? {} : { host }) }),
          }),
        ),
      );
      const answer = JSON.parse(Payload?.transformToString('utf8') ?? 'null') as Json;
      if (FunctionError !== undefined) {
        // A copy that has just been made may not let anybody in yet.
        throw new OperationFailure(
          'DatabaseUnavailable',
          'the check of integrity could not be made',
        );
      }
      if (!isJsonObject(answer)) {
        throw new OperationFailure('InvalidResponse', 'the check of integrity has no report');
      }
      return answer;
    },
  };
}
