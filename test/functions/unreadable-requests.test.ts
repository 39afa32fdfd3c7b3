import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { API_LIMITS } from '#config/api-limits.ts';
import { aDefinition, startTestApi, type TestApi } from '#test/support/api.ts';
import { createTestDatabase, describeWithPostgres } from '#test/support/database.ts';

/**
 * What node's parser would refuse in words of its own, or without any: over a socket, byte by byte. Each is
 * told as the contract tells every refusal, under a request id that stands in the log, and is hung up on.
 */
interface Answer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Every answer of what came over one connection, by the lengths that they say they have. */
function answersIn(text: string): Answer[] {
  const answers: Answer[] = [];
  let rest = text;
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n');
    expect(end, rest).not.toBe(-1);
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = new Map(
      lines.map((line) => {
        const at = line.indexOf(': ');
        return [line.slice(0, at).toLowerCase(), line.slice(at + 2)] as const;
      }),
    );
    const length = Number(headers.get('content-length') ?? 0);
    answers.push({
      status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]),
      headers,
      body: rest.slice(end + 4, end + 4 + length),
    });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

interface Refused {
  readonly send: string;
  readonly status: number;
  readonly code: string;
  readonly detail: RegExp;
}

const CASES: Readonly<Record<string, Refused>> = {
  'no Host': {
    send: 'GET /healthz HTTP/1.1\r\n\r\n',
    ...{ status: 400, code: 'REQUEST_MALFORMED', detail: /no Host header; send exactly one/ },
  },
  'two Hosts': {
    send: 'GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    ...{ status: 400, code: 'REQUEST_MALFORMED', detail: /2 Host headers; send exactly one/ },
  },
  'an expectation that is none of ours': {
    send: 'POST /api/v1/workflows HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 2\r\n\r\n{}',
    ...{ status: 417, code: 'EXPECTATION_FAILED', detail: /'Expect: 200-ok'.*send 100-continue/ },
  },
  'headers of 20 KiB': {
    send: `GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ${'a'.repeat(20_000)}\r\n\r\n`,
    status: 431,
    code: 'HEADERS_TOO_LARGE',
    detail: new RegExp(`larger than ${API_LIMITS.maxHeaderBytes} bytes`),
  },
  'a path of 20 KiB': {
    send: `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    status: 431,
    code: 'HEADERS_TOO_LARGE',
    detail: new RegExp(`larger than ${API_LIMITS.maxHeaderBytes} bytes`),
  },
  ...Object.fromEntries(
    Object.entries({
      'what is no HTTP': 'hello\r\n\r\n',
      'the first bytes of TLS': '\u0016\u0003\u0001\u0000\u0000\r\n\r\n',
      'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'another version': 'GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n',
      'a header with a blank in its name': 'GET /healthz HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n',
      'two lengths that disagree':
        'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
      'a length beside chunks':
        'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'a chunk without a size':
        'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    }).map(([name, send]) => [
      name,
      {
        send,
        ...{ status: 400, code: 'REQUEST_MALFORMED', detail: /not a request of HTTP\/1\.1/ },
      },
    ]),
  ),
  'a tunnel': {
    send: 'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n',
    ...{ status: 400, code: 'REQUEST_MALFORMED', detail: /does not begin with '\/'/ },
  },
  'a tunnel without a Host': {
    send: 'CONNECT example.com:443 HTTP/1.1\r\n\r\n',
    ...{ status: 400, code: 'REQUEST_MALFORMED', detail: /no Host header/ },
  },
  'headers that never end': {
    send: 'GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ',
    ...{ status: 408, code: 'REQUEST_TIMEOUT', detail: /did not arrive in time/ },
  },
  'half a first line that never ends': {
    send: 'GET /heal',
    ...{ status: 408, code: 'REQUEST_TIMEOUT', detail: /did not arrive in time/ },
  },
};

describeWithPostgres('what is no request', () => {
  let api: TestApi;
  let key: string;
  const lines: string[] = [];

  beforeAll(async () => {
    api = await startTestApi(await createTestDatabase(), {
      limits: { headersTimeoutMs: 300, requestTimeoutMs: 600, checkEveryMs: 100 },
      log: createJsonLog({ write: (line) => lines.push(line), level: 'info', time: () => '' }),
    });
    key = await api.createKey(await api.createTenant(), ['*']);
    await api.client(key).createWorkflow({ body: aDefinition() });
  });
  afterAll(() => api?.close());

  /** Sends each part when something came after the one before; answers all of it once it is hung up. */
  function talk(...parts: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(api.server.port, '127.0.0.1');
      const left = [...parts];
      let text = '';
      const late = setTimeout(() => {
        socket.destroy();
        reject(new Error(`nobody hung up; so far: ${text}`));
      }, 20_000);
      const next = () => {
        const part = left.shift();
        if (part !== undefined) socket.write(part, 'latin1');
      };
      socket.setEncoding('latin1');
      socket.on('connect', next);
      socket.on('data', (more: string) => {
        text += more;
        next();
      });
      socket.on('error', () => {}); // a reset is one way of being cut off: 'close' follows
      socket.on('close', () => {
        clearTimeout(late);
        resolve(text);
      });
    });
  }

  async function isWell(): Promise<void> {
    const response = await fetch(`${api.server.url}/api/v1/workflows/greeting`, {
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(200);
    await response.arrayBuffer();
  }

  function refusal({ status, headers, body }: Answer): { code: string; detail: string } {
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-type': 'application/problem+json',
      'content-length': String(body.length),
      connection: 'close',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    const problem = JSON.parse(body) as Record<string, string>;
    expect(problem).toMatchObject({ status, request_id: headers.get('x-request-id') });
    expect(problem['request_id']).toMatch(/^[0-9a-f-]{36}$/);
    // By it, operators find what was refused.
    expect(lines.filter((line) => line.includes(problem['request_id'] ?? ''))).toHaveLength(1);
    return problem as unknown as { code: string; detail: string };
  }

  it.each(Object.entries(CASES))('%s is refused as the contract refuses', async (_, bad) => {
    const answers = answersIn(await talk(bad.send));
    expect(answers).toHaveLength(1);
    expect(answers[0]?.status).toBe(bad.status);
    const { code, detail } = refusal(answers[0] as Answer);
    expect(code).toBe(bad.code);
    expect(detail).toMatch(bad.detail);
    await isWell();
  });

  const POST = [
    'POST /api/v1/workflows/greeting/execute HTTP/1.1',
    'Host: x',
    'Content-Type: application/json',
  ].join('\r\n');

  it('a body that never ends is refused so too', async () => {
    const head = `${POST}\r\nAuthorization: Bearer ${key}\r\nContent-Length: 100\r\n\r\n`;
    const answers = answersIn(await talk(`${head}{"input"`));
    expect(answers.map(({ status }) => status)).toEqual([408]);
    expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ code: 'REQUEST_TIMEOUT' });
  });

  it('HTTP/1.0 needs no Host', async () => {
    const [answer] = answersIn(await talk('GET /healthz HTTP/1.0\r\n\r\n'));
    expect(answer?.status).toBe(200);
  });

  it('who asks whether to send a body is told so once they are known, and is answered', async () => {
    const head = `${POST}\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: 2\r\n`;
    const [stranger, ...none] = answersIn(await talk(`${head}\r\n`, '{}'));
    expect([stranger?.status, none]).toEqual([401, []]);
    const answers = answersIn(await talk(`${head}Authorization: Bearer ${key}\r\n\r\n`, '{}'));
    expect(answers.map(({ status }) => status)).toEqual([100, 202]);
  });

  it('an upgrade is not offered: the request is answered as any other', async () => {
    const [answer] = answersIn(
      await talk(
        'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n',
      ),
    );
    expect(answer?.status).toBe(200);
  });

  it('what follows a good request is never answered in its place', async () => {
    const good = `GET /api/v1/workflows/greeting HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\n\r\n`;
    const answers = answersIn(await talk(`${good}hello\r\n\r\n`));
    expect(answers[0]?.status).toBe(200);
    expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ workflow_id: 'greeting' });
    expect(answers[0]?.headers.get('connection')).toBe('close');
    expect(answers).toHaveLength(1);
  });

  it('a credential that comes twice is none, whichever of the two is good', async () => {
    const good = `Authorization: Bearer ${key}`;
    const bad = 'Authorization: Bearer nothing';
    for (const pair of [
      [good, bad],
      [bad, good],
      [good, good],
    ]) {
      const [answer] = answersIn(
        await talk(
          `GET /api/v1/workflows HTTP/1.1\r\nHost: x\r\n${pair.join('\r\n')}\r\nConnection: close\r\n\r\n`,
        ),
      );
      expect(answer?.status).toBe(401);
    }
  });
});
