import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

/**
 * Whatever is sent: a clear 4xx within two seconds, nothing stored, nothing crashed, and the next
 * good request is answered as before.
 */
interface Bad {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly status: number;
  readonly code: string;
}

const WORKFLOWS = '/api/v1/workflows';
const EXECUTE = '/api/v1/workflows/greeting/execute';
const RUN = '/api/v1/executions/01900000-0000-7000-8000-000000000000';
const JSON_TYPE = { 'content-type': 'application/json' };

function post(path: string, body: string | Uint8Array, code: string, status = 400): Bad {
  return { method: 'POST', path, headers: JSON_TYPE, body, status, code };
}
function raw(text: string, code = 'REQUEST_MALFORMED', status = 400): Bad {
  return post(EXECUTE, text, code, status);
}
function input(text: string, code = 'REQUEST_MALFORMED', status = 400): Bad {
  return raw(`{"input":${text}}`, code, status);
}
function execute(body: unknown, code = 'REQUEST_INVALID', status = 400): Bad {
  return raw(JSON.stringify(body), code, status);
}
function get(path: string, code = 'REQUEST_INVALID', status = 400): Bad {
  return { path, status, code };
}
function define(more: object): Bad {
  return post(
    WORKFLOWS,
    JSON.stringify(aDefinition({ workflow_id: 'bad', ...more })),
    'WORKFLOW_INVALID',
    422,
  );
}
function inputSchema(schema: object): Bad {
  return define({ input_schema: schema });
}

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

const CASES: Readonly<Record<string, Bad>> = {
  // how it is sent
  'no body': post(WORKFLOWS, '', 'REQUEST_MALFORMED'),
  'blanks for a body': raw('  '),
  'text for a body': raw('hello'),
  'half a document': raw('{"input":'),
  'a trailing comma': raw('{"input":1,}'),
  'single quotes': raw("{'input':1}"),
  'a comment': raw('{"input":1 /* one */}'),
  'two documents': raw('{}{}'),
  'a byte order mark': raw('\ufeff{}'),
  'bytes that are not UTF-8': raw(
    new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]) as never,
  ),
  'an overlong UTF-8 form': raw(new Uint8Array([0x22, 0xc0, 0x80, 0x22]) as never),
  'a form': {
    ...raw('a=1', 'UNSUPPORTED_MEDIA_TYPE', 415),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  'no content type': {
    ...raw('{}', 'UNSUPPORTED_MEDIA_TYPE', 415),
    headers: { 'content-type': '' },
  },
  'plain text': {
    ...raw('{}', 'UNSUPPORTED_MEDIA_TYPE', 415),
    headers: { 'content-type': 'text/plain' },
  },
  'another charset': {
    ...raw('{}', 'UNSUPPORTED_MEDIA_TYPE', 415),
    headers: { 'content-type': 'application/json; charset=utf-16' },
  },
  'a content encoding': {
    ...raw('{}', 'UNSUPPORTED_MEDIA_TYPE', 415),
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
  },
  'more than a mebibyte': raw(`{"input":"${'x'.repeat(1_048_576)}"}`, 'PAYLOAD_TOO_LARGE', 413),
  'a body where none is taken': post(`${RUN}/pause`, '{"now":true}', 'REQUEST_INVALID'),
  // what JSON can spell and nobody should store
  '100,000 levels': raw('['.repeat(100_000), 'PAYLOAD_TOO_DEEP', 413),
  '65 levels': raw(deep(65), 'PAYLOAD_TOO_DEEP', 413),
  '65 levels inside the input': input(deep(64), 'PAYLOAD_TOO_DEEP', 413),
  '60,000 items': input(`[${'1,'.repeat(60_000)}1]`, 'PAYLOAD_TOO_LARGE', 413),
  'a key twice': raw('{"input":1,"input":2}'),
  'a key twice in the input': input('{"a":1,"\\u0061":2}'),
  __proto__: input('{"__proto__":{"admin":true}}'),
  'constructor with __proto__ inside': input('{"constructor":{"__proto__":1}}'),
  '1e400': input('1e400'),
  '-1e400': input('-1e400'),
  '1e130000': input('1e130000'),
  '2^53': input('9007199254740993'),
  'a number of a thousand digits': input('9'.repeat(1_000)),
  NaN: input('NaN'),
  'a leading zero': input('01'),
  'U+0000': input('"a\\u0000b"'),
  'U+0000 in a key': input('{"a\\u0000":1}'),
  'half a surrogate pair': input('"\\ud800"'),
  'a raw control character': input('"a\u0001b"'),
  // the shape
  'an array for an object': execute([]),
  'null for an object': execute(null),
  'an unknown member': execute({ inptu: 1 }),
  'a version that is none': execute({ version: '1.0' }),
  'a version with a tail': execute({ version: '1.0.0\n' }),
  'a runtime that is none': execute({ runtime: 'lambda' }),
  'labels that are no object': execute({ labels: ['a'] }),
  'a label of another type': execute({ labels: { a: 1 } }),
  'too many labels': execute({
    labels: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`l${i}`, 'x'])),
  }),
  'a label name in capitals': execute({ labels: { Team: 'x' } }),
  'an execution id of version 4': execute({ execution_id: '11111111-1111-4111-8111-111111111111' }),
  'an execution id from 1970': execute({ execution_id: '00000000-0001-7000-8000-000000000001' }),
  'an execution id from the year 10000': execute({
    execution_id: 'e677d21f-dc00-7000-8000-000000000001',
  }),
  'an input of 100 KiB': execute({ input: 'x'.repeat(100_000) }, 'PAYLOAD_TOO_LARGE', 413),
  'an input that breaks the schema': {
    ...post('/api/v1/workflows/strict/execute', '{"input":{"amount":"ten"}}', 'INPUT_INVALID', 422),
  },
  'an input with an unknown member': {
    ...post(
      '/api/v1/workflows/strict/execute',
      '{"input":{"amount":1,"x":1}}',
      'INPUT_INVALID',
      422,
    ),
  },
  // paths and queries
  'a route that is none': get('/api/v2/workflows', 'ROUTE_NOT_FOUND', 404),
  'a double slash': get('/api/v1//workflows', 'ROUTE_NOT_FOUND', 404),
  'a trailing slash': get('/api/v1/workflows/', 'ROUTE_NOT_FOUND', 404),
  'an escaped slash': get('/api/v1/workflows/a%2fb', 'REQUEST_MALFORMED'),
  'an escaped NUL': get('/api/v1/workflows/a%00b', 'REQUEST_MALFORMED'),
  'a broken escape': get('/api/v1/workflows/%zz', 'REQUEST_MALFORMED'),
  'an escape that is not UTF-8': get('/api/v1/workflows/%ff', 'REQUEST_MALFORMED'),
  'a path of 3,000 characters': get(`/api/v1/workflows/${'a'.repeat(3_000)}`, 'REQUEST_MALFORMED'),
  'a workflow id in capitals': get('/api/v1/workflows/Greeting'),
  'a workflow id of 64 characters': get(`/api/v1/workflows/${'a'.repeat(64)}`),
  'an execution id that is none': get('/api/v1/executions/42'),
  'an execution id in capitals': get('/api/v1/executions/01900000-0000-7000-8000-00000000000A'),
  'SQL for an id': get("/api/v1/executions/'%20or%201=1--"),
  'an unknown parameter': get('/api/v1/executions?statsu=FAILED'),
  'a status that is none': get('/api/v1/executions?status=DONE'),
  'a parameter twice': get('/api/v1/executions?status=FAILED&status=FAILED'),
  'limit 0': get('/api/v1/executions?limit=0'),
  'limit 201': get('/api/v1/executions?limit=201'),
  'limit 1e2000': get('/api/v1/executions?limit=1e2000'),
  'limit in hexadecimal': get('/api/v1/executions?limit=0x10'),
  'limit with a blank': get('/api/v1/executions?limit=%205'),
  'limit with a fraction': get('/api/v1/executions?limit=1.5'),
  'a time that is none': get('/api/v1/executions?from=yesterday'),
  'a time that no calendar has': get('/api/v1/executions?from=2026-02-30T00:00:00Z'),
  'a leap second': get('/api/v1/executions?from=2016-12-31T23:59:60Z'),
  'a label without a value': get('/api/v1/executions?label=team'),
  'six labels': get(
    `/api/v1/executions?${Array.from({ length: 6 }, (_, i) => `label=a:${i}`).join('&')}`,
  ),
  'NUL in a search': get('/api/v1/executions?text=a%00', 'REQUEST_MALFORMED'),
  '__proto__ as a parameter': get('/api/v1/executions?__proto__=1', 'REQUEST_MALFORMED'),
  '60 parameters': get(`/api/v1/executions?${'a=1&'.repeat(60)}`, 'REQUEST_MALFORMED'),
  'a query of 9,000 characters': get(
    `/api/v1/executions?text=${'a'.repeat(9_000)}`,
    'REQUEST_MALFORMED',
  ),
  'a cursor that is none': get('/api/v1/executions?cursor=AAAA', 'CURSOR_INVALID'),
  'a cursor made up': get(
    `/api/v1/executions?cursor=${Buffer.from('x'.repeat(52)).toString('base64url')}`,
    'CURSOR_INVALID',
  ),
  'a method that is none': { ...get(WORKFLOWS, 'METHOD_NOT_ALLOWED', 405), method: 'PATCH' },
  'DELETE of a list': { ...get(WORKFLOWS, 'METHOD_NOT_ALLOWED', 405), method: 'DELETE' },
  // headers
  'an empty idempotency key': {
    ...execute({}, 'IDEMPOTENCY_KEY_INVALID'),
    headers: { ...JSON_TYPE, 'idempotency-key': '' },
  },
  'an idempotency key of 129 characters': {
    ...execute({}, 'IDEMPOTENCY_KEY_INVALID'),
    headers: { ...JSON_TYPE, 'idempotency-key': 'k'.repeat(129) },
  },
  'an idempotency key with blanks': {
    ...execute({}, 'IDEMPOTENCY_KEY_INVALID'),
    headers: { ...JSON_TYPE, 'idempotency-key': 'a b' },
  },
  'PUT without If-Match': {
    ...post(
      '/api/v1/workflows/greeting',
      JSON.stringify(aDefinition({ version: '9.0.0' })),
      'PRECONDITION_REQUIRED',
      428,
    ),
    method: 'PUT',
  },
  'PUT with an old ETag': {
    ...post(
      '/api/v1/workflows/greeting',
      JSON.stringify(aDefinition({ version: '9.0.0' })),
      'PRECONDITION_FAILED',
      412,
    ),
    method: 'PUT',
    headers: { ...JSON_TYPE, 'if-match': '"0-0"' },
  },
  'PUT of another workflow': {
    ...post(
      '/api/v1/workflows/greeting',
      JSON.stringify(aDefinition({ workflow_id: 'other' })),
      'WORKFLOW_INVALID',
      422,
    ),
    method: 'PUT',
    headers: { ...JSON_TYPE, 'if-match': '*' },
  },
  // definitions
  'an empty definition': post(WORKFLOWS, '{}', 'WORKFLOW_INVALID', 422),
  'a cycle': define({
    steps: [
      { id: 'a', type: 'transform', config: { value: 1 }, depends_on: ['b'] },
      { id: 'b', type: 'transform', config: { value: 1 }, depends_on: ['a'] },
    ],
  }),
  'an unknown step type': define({ steps: [{ id: 'a', type: 'shell', config: {} }] }),
  'an expression that does not parse': define({
    steps: [{ id: 'a', type: 'transform', config: { value: '{% 1 + %}' } }],
  }),
  '2,000 steps': define({
    steps: Array.from({ length: 2_000 }, (_, i) => ({
      id: `s${i}`,
      type: 'transform',
      config: { value: 1 },
    })),
  }),
  '20,000 expressions': define({
    steps: Array.from({ length: 20 }, (_, i) => ({
      id: `s${i}`,
      type: 'transform',
      config: { value: Array.from({ length: 1_000 }, () => '{% $input.a %}') },
    })),
  }),
  'a text of 5,000 expressions': define({
    steps: [{ id: 'a', type: 'transform', config: { value: '{% $input.a %} '.repeat(5_000) } }],
  }),
  'a version of twenty digits': define({ version: `1.0.${'9'.repeat(20)}` }),
  'a workflow that starts itself': define({
    steps: [{ id: 'a', type: 'sub_workflow', config: { workflow_id: 'bad' } }],
  }),
  'a schema with a remote reference': inputSchema({
    $ref: 'http://169.254.169.254/latest/meta-data',
  }),
  'a schema with a file reference': inputSchema({ $ref: 'file:///etc/passwd' }),
  'a schema that refers to itself': inputSchema({ $ref: '#' }),
  'a schema with a broken pattern': inputSchema({ type: 'string', pattern: '(' }),
  'a schema with a look-ahead': inputSchema({ type: 'string', pattern: '(?=a)b' }),
  'a schema that is not one': inputSchema({ type: 'strange' }),
  'a schema with a pattern of 300 KB': inputSchema({ pattern: '(a|b)*'.repeat(50_000) }),
  'a schema with 900 patterns': inputSchema({
    anyOf: Array.from({ length: 900 }, (_, i) => ({ pattern: `^(a|b)*x${i}$` })),
  }),
  'a schema with unbounded uniqueness': inputSchema({ type: 'array', uniqueItems: true }),
  'a schema of 20,000 members': inputSchema({
    properties: Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`p${i}`, {}])),
  }),
  // connections
  'a connection of an unknown type': post(
    '/api/v1/connections',
    '{"name":"c","connection":{"type":"ftp"}}',
    'REQUEST_INVALID',
  ),
  'a connection without its secret': post(
    '/api/v1/connections',
    '{"name":"c","connection":{"type":"http","base_url":"https://a.example","auth":{"scheme":"bearer","secret":"nowhere"}}}',
    'CONNECTION_INVALID',
    422,
  ),
  'a secret that nothing names': post(
    '/api/v1/connections',
    '{"name":"c","connection":{"type":"http","base_url":"https://a.example","auth":{"scheme":"none"}},"secrets":{"x":"y"}}',
    'CONNECTION_INVALID',
    422,
  ),
  'a connection with a user in its URL': post(
    '/api/v1/connections',
    '{"name":"c","connection":{"type":"http","base_url":"https://u:p@a.example","auth":{"scheme":"none"}}}',
    'REQUEST_INVALID',
  ),
  'two statements': post(
    '/api/v1/connections/shop/operations',
    '{"name":"o","access":"read","statement":"select 1; drop table x"}',
    'CONNECTION_INVALID',
    422,
  ),
  'a writing statement that says it reads': post(
    '/api/v1/connections/shop/operations',
    '{"name":"o","access":"read","statement":"delete from x"}',
    'CONNECTION_INVALID',
    422,
  ),
};

describeWithPostgres('bad input', () => {
  let database: TestDatabase;
  let api: TestApi;
  let key: string;

  beforeAll(async () => {
    database = await createTestDatabase();
    api = await startTestApi(database, {
      limits: { headersTimeoutMs: 300, requestTimeoutMs: 600, checkEveryMs: 100 },
    });
    key = await api.createKey(await api.createTenant(), ['*']);
    const client = api.client(key);
    await client.createWorkflow({ body: aDefinition() });
    await client.createWorkflow({
      body: aDefinition({
        workflow_id: 'strict',
        input_schema: {
          type: 'object',
          required: ['amount'],
          additionalProperties: false,
          properties: { amount: { type: 'number' } },
        },
      }),
    });
    await client.createConnection({
      body: {
        name: 'shop',
        connection: {
          type: 'postgres',
          host: 'db.example.com',
          database: 'shop',
          login: { username: 'u', secret: 's' },
        },
        secrets: { s: 'x' },
      },
    });
  });
  afterAll(() => api?.close());

  async function stored(): Promise<unknown> {
    const { rows } = await database.admin.query(
      `select (select count(*) from workflows) as workflows,
              (select count(*) from workflow_versions) as versions,
              (select count(*) from workflow_executions) as executions,
              (select count(*) from execution_signals) as signals,
              (select count(*) from connections) as connections,
              (select count(*) from operations) as operations,
              (select count(*) from idempotency_records) as keys,
              (select count(*) from outbox) as outbox`,
    );
    return rows[0];
  }

  async function goodRequest(): Promise<void> {
    const before = performance.now();
    const response = await fetch(`${api.server.url}/api/v1/workflows/greeting`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
    expect(performance.now() - before).toBeLessThan(1_000);
  }

  it('the table has at least 60 cases', () => {
    expect(Object.keys(CASES).length).toBeGreaterThanOrEqual(60);
  });

  it.each(Object.entries(CASES))('%s', async (_, bad) => {
    const before = await stored();
    const started = performance.now();
    const response = await fetch(api.server.url + bad.path, {
      method: bad.method ?? 'GET',
      headers: { authorization: `Bearer ${key}`, ...bad.headers },
      ...(bad.body === undefined ? {} : { body: bad.body as string }),
    });
    const problem = (await response.json()) as Record<string, unknown>;
    expect(performance.now() - started).toBeLessThan(2_000);
    expect(problem).toMatchObject({ code: bad.code, status: bad.status });
    expect(response.status).toBe(bad.status);
    expect(problem['request_id']).toBe(response.headers.get('x-request-id'));
    expect(JSON.stringify(problem).length).toBeLessThan(100_000);
    expect(await stored()).toEqual(before);
    await goodRequest();
  });

  /** Sends text as it is and answers what came back until the connection closed. */
  function talk(write: (send: (text: string) => void) => void, limitMs = 2_000): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(api.server.port, '127.0.0.1');
      let answer = '';
      const timer = setTimeout(() => {
        socket.destroy();
        reject(new Error(`still open after ${limitMs} ms; so far: ${answer}`));
      }, limitMs);
      socket.setEncoding('utf8');
      socket.on('data', (text: string) => {
        answer += text;
      });
      socket.on('error', () => {}); // a reset is one way of being cut off: 'close' follows
      socket.on('close', () => {
        clearTimeout(timer);
        resolve(answer);
      });
      socket.on('connect', () => write((text) => socket.write(text)));
    });
  }

  it('what is not HTTP is told so and cut off', async () => {
    const answer = await talk((send) => send('\u0016\u0003\u0001hello\r\n\r\n'));
    expect(answer).toContain('400');
    expect(answer).toContain('REQUEST_MALFORMED');
    await goodRequest();
  });

  it('headers of 20 KiB are refused', async () => {
    const answer = await talk((send) =>
      send(`GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`),
    );
    expect(answer).toContain('431');
    expect(answer).toContain('HEADERS_TOO_LARGE');
    await goodRequest();
  });

  it('a client that never ends its headers is cut off', async () => {
    const answer = await talk((send) => send('GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: '));
    expect(answer).toContain('408');
    await goodRequest();
  });

  it.each([
    ['sends slowly', 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: '],
    ['sends what is not HTTP', 'hello\r\n\r\n'],
  ])('a client that %s and never hangs up is hung up on', async (_, text) => {
    const socket = connect({ port: api.server.port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => {}); // the reset that this test waits for: 'close' follows
    socket.resume();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(text);
    // Only writing tells this end that the other one is gone.
    const timer = setInterval(() => socket.write('a'), 100);
    const late = new Promise((resolve) => setTimeout(resolve, 4_000, 'still open'));
    expect(await Promise.race([closed, late])).not.toBe('still open');
    clearInterval(timer);
    await goodRequest();
  });

  it('a client that never ends its body is cut off', async () => {
    const answer = await talk((send) =>
      send(
        `POST ${EXECUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"input"`,
      ),
    );
    expect(answer).toContain('408');
    await goodRequest();
  });

  it('a body that grows past the limit without saying so is cut off', async () => {
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const answer = await talk((send) => {
      send(
        `POST ${EXECUTE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      );
      for (let i = 0; i < 20; i++) send(chunk);
    });
    expect(answer).toContain('413');
    await goodRequest();
  });

  it('the body of an unknown caller is not waited for', async () => {
    const started = performance.now();
    const answer = await talk((send) =>
      send(
        `POST ${EXECUTE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n`,
      ),
    );
    expect(answer).toContain('401');
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(performance.now() - started).toBeLessThan(500);
    await goodRequest();
  });

  it('the body of a caller with a token that nobody handed out is not waited for', async () => {
    const path = `/api/v1/callbacks/${'A'.repeat(43)}/complete`;
    const started = performance.now();
    const answer = await talk((send) =>
      send(
        `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n`,
      ),
    );
    expect(answer).toContain('404');
    expect(answer.toLowerCase()).toContain('connection: close');
    expect(performance.now() - started).toBeLessThan(500);
    await goodRequest();
  });

  it('dots in a path are part of a name, and no name has them', async () => {
    const answer = await talk((send) =>
      send(
        `GET /api/v1/workflows/../executions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n\r\n`,
      ),
    );
    expect(answer).toContain('404');
    const escaped = await talk((send) =>
      send(
        `GET /api/v1/workflows/%2e%2e HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n\r\n`,
      ),
    );
    expect(escaped).toContain('REQUEST_INVALID');
    await goodRequest();
  });

  it('two lengths that disagree are refused', async () => {
    const answer = await talk((send) =>
      send('POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
    );
    expect(answer).toContain('400');
    await goodRequest();
  });

  it('a length beside a chunked body is refused', async () => {
    const answer = await talk((send) =>
      send(
        `POST ${EXECUTE} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ),
    );
    expect(answer).toContain('400');
    await goodRequest();
  });
});
