import type { ApiHandler, ApiRequest } from './api.ts';

/** What API Gateway's REST proxy integration sends, as far as it is read here. */
export interface ProxyEvent {
  readonly httpMethod: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string | undefined>> | null;
  readonly multiValueHeaders: Readonly<Record<string, readonly string[] | undefined>> | null;
  readonly multiValueQueryStringParameters: Readonly<
    Record<string, readonly string[] | undefined>
  > | null;
  readonly body: string | null;
  readonly isBase64Encoded: boolean;
  readonly requestContext?: {
    readonly stage?: string;
    readonly requestId?: string;
    readonly identity?: { readonly sourceIp?: string | null };
  };
}

export interface ProxyResult {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly isBase64Encoded: false;
}

/** The API behind API Gateway. Its body limit (10 MB) is above ours, so ours is the one that counts. */
export function lambdaHandler(api: ApiHandler): (event: ProxyEvent) => Promise<ProxyResult> {
  return async (event) => {
    const { status, headers, body } = await api(toApiRequest(event));
    const isHead = event.httpMethod === 'HEAD';
    return {
      statusCode: status,
      headers,
      body: isHead ? '' : (body ?? ''),
      isBase64Encoded: false,
    };
  };
}

function toApiRequest(event: ProxyEvent): ApiRequest {
  return {
    method: event.httpMethod,
    path: event.path,
    query: queryOf(event),
    headers: headersOf(event),
    source: event.requestContext?.identity?.sourceIp ?? null,
    readBody: () =>
      Promise.resolve(Buffer.from(event.body ?? '', event.isBase64Encoded ? 'base64' : 'utf8')),
  };
}

/** API Gateway hands the parameters over decoded: they are put back as they were sent. */
function queryOf({ multiValueQueryStringParameters }: ProxyEvent): string {
  return Object.entries(multiValueQueryStringParameters ?? {})
    .flatMap(([name, values]) =>
      (values ?? []).map((value) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`),
    )
    .join('&');
}

function headersOf(event: ProxyEvent): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, values] of Object.entries(event.multiValueHeaders ?? {})) {
    if (values !== undefined && values.length > 0) headers[name.toLowerCase()] = values.join(', ');
  }
  for (const [name, value] of Object.entries(event.headers ?? {})) {
    if (value !== undefined) headers[name.toLowerCase()] ??= value;
  }
  return headers;
}
