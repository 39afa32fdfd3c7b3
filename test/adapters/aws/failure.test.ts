import { describe, expect, it } from 'vitest';
import { asked, failureOf } from '#adapters/aws/failure.ts';
import { OperationFailure } from '#core/operation-failure.ts';

const thrown = (name: string, more: object = {}): Error =>
  Object.assign(new Error('arn:aws:rds:secret'), { name }, more);
const answered = (httpStatusCode: number) => ({ $metadata: { httpStatusCode } });

describe('what AWS refuses', () => {
  it.each<[string, object, string]>([
    ['ThrottlingException', answered(400), 'Throttled'],
    ['Anything', { $retryable: { throttling: true } }, 'Throttled'],
    ['PriorRequestNotComplete', answered(400), 'Throttled'],
    ['AccessDenied', answered(403), 'PermissionDenied'],
    ['AuthorizationErrorException', answered(403), 'PermissionDenied'],
    ['DBClusterNotFoundFault', answered(404), 'NotFound'],
    ['NoSuchHostedZone', answered(404), 'NotFound'],
    ['InvalidDBClusterStateFault', answered(400), 'Transient'],
    ['InvalidGlobalClusterStateFault', answered(400), 'Transient'],
    ['TimeoutError', {}, 'Timeout'],
    ['ECONNRESET', {}, 'ConnectionError'],
    ['InternalFailure', answered(500), 'ServerError'],
    ['InvalidParameterValue', answered(400), 'ClientError'],
  ])('%s, %j is %s of the language, without what AWS says besides', async (name, more, code) => {
    const failed = await asked('a cluster', () => Promise.reject(thrown(name, more))).catch(
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(OperationFailure);
    expect((failed as OperationFailure).error).toEqual({
      code: `CloudFlow.${code}`,
      message: `a cluster: ${name}`,
    });
  });

  it('what is a failure already stays so, and what is no error is left alone', () => {
    const failure = new OperationFailure('NotFound', 'x');
    expect(failureOf('a cluster', failure)).toBe(failure);
    expect(failureOf('a cluster', 'text')).toBe('text');
  });
});
