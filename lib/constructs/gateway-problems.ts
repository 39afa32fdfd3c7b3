import { ResponseType, type RestApi } from 'aws-cdk-lib/aws-apigateway';
import { problemDetails } from '#contract/problem.ts';
import { type ApiErrorCode, CloudFlowError } from '#core/errors.ts';

/** What API Gateway answers by itself, before or instead of a function of ours. */
const ANSWERS: readonly (readonly [string, ResponseType, ApiErrorCode, string])[] = [
  // A path or method that is not there; API Gateway takes it for a forgotten signature.
  [
    'NoRoute',
    ResponseType.MISSING_AUTHENTICATION_TOKEN,
    'ROUTE_NOT_FOUND',
    'no such path, or no such method there',
  ],
  ['NoResource', ResponseType.RESOURCE_NOT_FOUND, 'ROUTE_NOT_FOUND', 'no such path'],
  ['Throttled', ResponseType.THROTTLED, 'RATE_LIMITED', 'too many requests; try again in a moment'],
  ['TooLarge', ResponseType.REQUEST_TOO_LARGE, 'PAYLOAD_TOO_LARGE', 'the body is too large'],
  ['Failed', ResponseType.INTEGRATION_FAILURE, 'UNAVAILABLE', ''],
  ['TimedOut', ResponseType.INTEGRATION_TIMEOUT, 'UNAVAILABLE', ''],
  ['Broken', ResponseType.DEFAULT_5XX, 'INTERNAL', ''],
];

/** Clients meet one form of error, whoever answers them. */
export function answerWithProblems(api: RestApi): void {
  for (const [id, type, code, message] of ANSWERS) {
    const problem = problemDetails(new CloudFlowError(code, message), '$context.requestId');
    api.addGatewayResponse(id, {
      type,
      statusCode: String(problem.status),
      responseHeaders: { 'Content-Type': "'application/problem+json'" },
      templates: { 'application/json': JSON.stringify(problem) },
    });
  }
}
