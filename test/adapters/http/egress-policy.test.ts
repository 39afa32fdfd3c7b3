import { describe, expect, it } from 'vitest';
import { createEgressGuard } from '#adapters/http/egress-guard.ts';
import { readEgressPolicy } from '#config/egress.ts';
import type { Resolver } from '#ports/egress.ts';

describe('EGRESS_ALLOW', () => {
  it('is empty by default', () => {
    expect(readEgressPolicy({})).toEqual({ allow: new Set(), httpPorts: new Set([80, 443, 8443]) });
  });

  it('holds exact pairs, in the spelling of a URL', () => {
    const { allow } = readEgressPolicy({
      EGRESS_ALLOW: '127.0.0.1:9000, [0:0::1]:80,LocalHost:5432',
    });
    expect([...allow]).toEqual(['127.0.0.1:9000', '::1:80', 'localhost:5432']);
  });

  it.each(['prod', 'production', 'Production'])('is refused when the stage is %s', (STAGE) => {
    expect(() => readEgressPolicy({ EGRESS_ALLOW: '127.0.0.1:9000', STAGE })).toThrow(
      /production|prod/,
    );
    expect(readEgressPolicy({ EGRESS_ALLOW: ' ', STAGE }).allow.size).toBe(0);
  });

  it.each([
    '*:80',
    '127.0.0.1',
    '127.0.0.1:*',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '10.0.0.0/8:80',
    'http://a:80',
    ':80',
    'a b:80',
  ])('%s is not a pair', (EGRESS_ALLOW) => {
    expect(() => readEgressPolicy({ EGRESS_ALLOW })).toThrow(/EGRESS_ALLOW/);
  });

  it.each(['0', '65536', 'http', '-1'])('EGRESS_PORTS %s is not a port', (EGRESS_PORTS) => {
    expect(() => readEgressPolicy({ EGRESS_PORTS })).toThrow(/EGRESS_PORTS/);
  });
});

describe('the guard', () => {
  const names: { [host: string]: string[] } = {
    'good.example': ['93.184.216.34', '2606:4700:4700::1111'],
    'mixed.example': ['93.184.216.34', '10.0.0.1'],
    'mixed6.example': ['93.184.216.34', '::ffff:8.8.8.8'],
    'inner.example': ['169.254.169.254'],
    'none.example': [],
    'odd.example': ['not an address'],
    'dev.internal': ['10.1.2.3'],
  };
  const asked: [string, boolean][] = [];
  const resolver: Resolver = {
    async resolve(host, { local }) {
      asked.push([host, local]);
      return names[host] ?? [];
    },
  };
  const guard = createEgressGuard({
    policy: readEgressPolicy({
      EGRESS_ALLOW: 'dev.internal:9000,127.0.0.1:9001',
      EGRESS_PORTS: '8080',
    }),
    resolver,
  });
  const vet = (host: string, port: number, purpose: 'http' | 'database' = 'http') =>
    guard.vet({ host, port, purpose });

  it('opens a public name at one judged address', async () => {
    expect(await vet('good.example', 443)).toEqual({
      kind: 'open',
      address: '93.184.216.34',
      operatorAllowed: false,
    });
    expect((await vet('GOOD.example', 8080)).kind).toBe('open');
  });

  it.each([
    'mixed.example',
    'mixed6.example',
    'inner.example',
    'odd.example',
    'dev.internal',
    '10.0.0.1',
    '::1',
  ])('%s is refused, whatever else it may be', async (host) => {
    expect(await vet(host, 443)).toEqual({ kind: 'refused' });
  });

  it('knows no address for a name without any', async () => {
    expect(await vet('none.example', 443)).toEqual({ kind: 'unresolved' });
  });

  it.each([21, 22, 25, 5432, 6379, 9000])(
    'refuses port %i without asking for the name',
    async (port) => {
      asked.length = 0;
      expect(await vet('good.example', port)).toEqual({ kind: 'refused' });
      expect(asked).toEqual([]);
    },
  );

  it('keeps the system ports from databases', async () => {
    expect((await vet('good.example', 5432, 'database')).kind).toBe('open');
    expect((await vet('good.example', 80, 'database')).kind).toBe('refused');
    expect((await vet('inner.example', 5432, 'database')).kind).toBe('refused');
  });

  it("opens the operator's pairs and nothing beside them", async () => {
    expect(await vet('127.0.0.1', 9001)).toEqual({
      kind: 'open',
      address: '127.0.0.1',
      operatorAllowed: true,
    });
    expect((await vet('dev.internal', 9000)).kind).toBe('open');
    expect(asked.at(-1)).toEqual(['dev.internal', true]);
    expect((await vet('127.0.0.1', 9002)).kind).toBe('refused');
    expect((await vet('127.0.0.2', 9001)).kind).toBe('refused');
  });
});
