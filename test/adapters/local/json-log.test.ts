import { describe, expect, it } from 'vitest';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { plainError } from '#adapters/local/plain-error.ts';
import { CloudFlowError } from '#core/errors.ts';
import { LOG_EVENTS, LOG_FIELDS } from '#core/log-catalog.ts';
import type { Log } from '#ports/log.ts';

function logTo(lines: Record<string, unknown>[]): Log {
  return createJsonLog({
    write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
    level: 'info',
    time: () => '2026-11-22T10:00:00.000Z',
  });
}

describe('a line of the log', () => {
  it('says when, how bad, what, and whose it is', () => {
    const lines: Record<string, unknown>[] = [];
    const log = logTo(lines).with({
      program: 'engine',
      tenant: '0197aaaa-0000-7000-8000-000000000001',
      correlation_id: 'order:17',
    });
    log.warn('EXECUTION_NOT_CLAIMED', { execution_id: '0197aaaa-0000-7000-8000-000000000002' });
    log.debug('SEQUENCE_TAKEN');
    expect(lines).toEqual([
      {
        time: '2026-11-22T10:00:00.000Z',
        level: 'warn',
        event: 'EXECUTION_NOT_CLAIMED',
        message: LOG_EVENTS.EXECUTION_NOT_CLAIMED,
        program: 'engine',
        tenant: '0197aaaa-0000-7000-8000-000000000001',
        execution_id: '0197aaaa-0000-7000-8000-000000000002',
        correlation_id: 'order:17',
      },
    ]);
  });

  it('leaves out what the catalogue does not know, and refuses what does not fit', () => {
    const lines: Record<string, unknown>[] = [];
    logTo(lines).info('MIGRATED', {
      password: 'hunter',
      tenant: 'Alice Example',
      correlation_id: 'Alice Example',
      status: 'Alice',
      reason: 'alice@example.com',
      applied: ['0001-roles', { name: 'Alice' }],
      execution_id: { toString: () => 'Alice' },
    } as never);
    expect(lines[0]).toEqual({
      time: '2026-11-22T10:00:00.000Z',
      level: 'info',
      event: 'MIGRATED',
      message: LOG_EVENTS.MIGRATED,
      tenant: '[refused]',
      correlation_id: '[refused]',
      status: '[refused]',
      reason: '[refused]',
      applied: ['0001-roles', '[refused]'],
      execution_id: '[refused]',
    });
    expect(JSON.stringify(lines)).not.toMatch(/alice|hunter/i);
  });

  it('takes whatever was thrown', () => {
    const lines: Record<string, unknown>[] = [];
    const log = logTo(lines);
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const hostile = new Proxy(new Error('x'), {
      get: () => {
        throw new Error('no');
      },
    });
    for (const error of [circular, 'hunter', null, undefined, 7n, Symbol('s'), hostile]) {
      log.error('REQUEST_FAILED', { error });
    }
    expect(lines).toHaveLength(7);
    expect(JSON.stringify(lines)).not.toContain('hunter');
  });

  it('events are codes and sentences; fields are of the kinds that the writer checks', () => {
    for (const [code, sentence] of Object.entries(LOG_EVENTS)) {
      expect(code).toMatch(/^[A-Z]+(?:_[A-Z]+)*$/);
      expect(sentence).toMatch(/^(?:a|an|the|what|some)?\b.*[^.]$/);
    }
    expect(Object.keys(LOG_FIELDS)).not.toContain('time');
  });
});

describe('an error in the log', () => {
  it('keeps what an operator needs', () => {
    const error = Object.assign(new Error('connection terminated unexpectedly'), { code: '57P01' });
    const plain = plainError(error);
    expect(plain).toMatchObject({
      name: 'Error',
      code: '57P01',
      message: 'connection terminated unexpectedly',
    });
    expect(plain.at?.[0]).toContain('json-log.test.ts');
    expect(plainError(new CloudFlowError('UNAVAILABLE', 'x', { cause: error })).cause).toEqual({
      name: 'Error',
      code: '57P01',
      message: 'connection terminated unexpectedly',
    });
  });

  it('holds nothing of what was being read when it was thrown', () => {
    const thrown = (act: () => unknown): unknown => {
      try {
        act();
      } catch (error) {
        return error;
      }
      throw new Error('nothing was thrown');
    };
    const secret = 'zanzibar';
    const table: Record<string, Record<string, string>> = {};
    const errors: unknown[] = [
      thrown(() => JSON.parse(`{"a": ${secret}}`)),
      thrown(() => JSON.parse(secret)),
      thrown(() => new URL(secret)),
      thrown(() => new RegExp(`[${secret}`)),
      thrown(() => decodeURIComponent(`%${secret}`)),
      thrown(() => table['row']![secret]),
      thrown(() => Buffer.from(secret, secret as never)),
      new Error(`invalid input syntax for type uuid: "${secret}"`),
      new Error(`can't find '${secret}' here`),
      new Error(`getaddrinfo ENOTFOUND ${secret}.example.com`),
      new Error(`connect ECONNREFUSED ${secret}:443`),
      new Error(`mail of ${secret}@example.com bounced`),
      new Error(`read https://example.com/${secret}?a=b`),
      Object.assign(new Error('x'), { code: secret, detail: secret, name: `${secret} x` }),
      new Error('outer', { cause: new Error(`“${secret}”`) }),
    ];
    for (const error of errors) {
      const { at: _at, ...rest } = plainError(error);
      expect(JSON.stringify(rest), String(error)).not.toContain(secret);
    }
    // A message that looks like frames is none.
    expect(plainError(new Error(`failed: x\n    at ${secret}`)).at?.join()).not.toContain(secret);
  });
});
