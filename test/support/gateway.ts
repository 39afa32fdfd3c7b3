import type { ProxyEvent, ProxyResult } from '#functions/shared/lambda.ts';
import type { TestLambda } from './lambda.ts';

/** An event as API Gateway's REST proxy integration sends it, with what we do not read as well. */
export function proxyEvent(
  httpMethod: string,
  target: string,
  { apiKey, body }: { readonly apiKey?: string; readonly body?: unknown } = {},
): ProxyEvent & Readonly<Record<string, unknown>> {
  const [path = '', query] = target.split('?');
  const asked = query === undefined ? null : Object.fromEntries(new URLSearchParams(query));
  const headers: Record<string, string> = {
    Accept: 'application/json',
    Host: 'api.example',
    'X-Forwarded-For': '198.51.100.7',
    'X-Amzn-Trace-Id': 'Root=1-67891233-abcdef012345678912345678',
    ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
    ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
  };
  return {
    resource: '/{proxy+}',
    path,
    httpMethod,
    headers,
    multiValueHeaders: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, [value]]),
    ),
    queryStringParameters: asked,
    multiValueQueryStringParameters:
      asked && Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, [value]])),
    pathParameters: { proxy: path.slice(1) },
    stageVariables: null,
    requestContext: { stage: 'v1', requestId: '4c1f2b7e', identity: { sourceIp: '198.51.100.7' } },
    body: body === undefined ? null : JSON.stringify(body),
    isBase64Encoded: false,
  };
}

export interface GatewayAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

export async function ask(
  lambda: TestLambda,
  method: string,
  path: string,
  more: { readonly apiKey?: string; readonly body?: unknown } = {},
): Promise<GatewayAnswer> {
  const result = (await lambda.invoke(proxyEvent(method, path, more))) as ProxyResult;
  return { status: result.statusCode, body: JSON.parse(result.body || '{}') };
}
