import { GatewayResponse, type IRestApi, ResponseType } from 'aws-cdk-lib/aws-apigateway';
import type { Construct } from 'constructs';
import { GUARDING_HEADERS } from '#contract/guarding-headers.ts';
import { problemDetails } from '#contract/problem.ts';
import { type ApiErrorCode, CloudFlowError } from '#core/errors.ts';

const CREDENTIAL = 'send a valid API key or access token: Authorization: Bearer ...';

/** What API Gateway answers by itself, before or instead of a function of ours. */
const ANSWERS: readonly (readonly [string, ResponseType, ApiErrorCode, string])[] = [
  // No Authorization header, or one that is neither key nor token by its form: nothing was asked about it.
  ['NoCredential', ResponseType.UNAUTHORIZED, 'UNAUTHENTICATED', CREDENTIAL],
  // The authorizer does not know it.
  ['UnknownCaller', ResponseType.ACCESS_DENIED, 'UNAUTHENTICATED', CREDENTIAL],
  ['AuthorizerFailed', ResponseType.AUTHORIZER_FAILURE, 'UNAVAILABLE', ''],
  ['AuthorizerAnsweredWrong', ResponseType.AUTHORIZER_CONFIGURATION_ERROR, 'UNAVAILABLE', ''],
  [
    'BadBody',
    ResponseType.BAD_REQUEST_BODY,
    'REQUEST_MALFORMED',
    'the body is not a JSON object; send one as application/json',
  ],
  // A path or method that is not there; API Gateway takes it for a forgotten signature.
  [
    'NoRoute',
    ResponseType.MISSING_AUTHENTICATION_TOKEN,
    'ROUTE_NOT_FOUND',
    'no such path, or no such method there',
  ],
  ['NoResource', ResponseType.RESOURCE_NOT_FOUND, 'ROUTE_NOT_FOUND', 'no such path'],
  ['Throttled', ResponseType.THROTTLED, 'RATE_LIMITED', 'too many requests; try again in a moment'],
  [
    'Filtered',
    ResponseType.WAF_FILTERED,
    'PERMISSION_DENIED',
    'the firewall does not let this request pass',
  ],
  ['TooLarge', ResponseType.REQUEST_TOO_LARGE, 'PAYLOAD_TOO_LARGE', 'the body is too large'],
  ['Failed', ResponseType.INTEGRATION_FAILURE, 'UNAVAILABLE', ''],
  ['TimedOut', ResponseType.INTEGRATION_TIMEOUT, 'UNAVAILABLE', ''],
  ['Broken', ResponseType.DEFAULT_5XX, 'INTERNAL', ''],
];

/**
 * Those of every answer. A fixed value stands between single quotes, and of one that holds some itself nothing
 * is documented: the policy of contents is left out, for no page shows what says that it is no page.
 */
const GUARDING = Object.fromEntries(
  Object.entries(GUARDING_HEADERS)
    .filter(([, value]) => !value.includes("'"))
    .map(([name, value]) => [name, `'${value}'`]),
);

/** Headers that come with a code, as functions send them. */
const HEADERS: { readonly [C in ApiErrorCode]?: Readonly<Record<string, string>> } = {
  UNAUTHENTICATED: { 'WWW-Authenticate': '\'Bearer realm="cloudflow"\'' },
  RATE_LIMITED: { 'Retry-After': "'1'" },
  UNAVAILABLE: { 'Retry-After': "'1'" },
};

/**
 * Clients meet one form of error, whoever answers them. One of the gateway is told to nobody in particular
 * and holds nobody's data, so any page may read it, as one of a function that knows no caller
 * (`functions/shared/cors.ts`, O3).
 */
export function answerWithProblems(scope: Construct, restApi: IRestApi): void {
  for (const [id, type, code, message] of ANSWERS) {
    const problem = problemDetails(new CloudFlowError(code, message), '$context.requestId');
    new GatewayResponse(scope, id, {
      restApi,
      type,
      statusCode: String(problem.status),
      responseHeaders: {
        ...GUARDING,
        'Content-Type': "'application/problem+json'",
        'Access-Control-Allow-Origin': "'*'",
        ...HEADERS[code],
      },
      templates: { 'application/json': JSON.stringify(problem) },
    });
  }
}
