import { createSocket, type Socket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createDnsResolver } from '#adapters/http/dns-resolver.ts';
import type { Resolver } from '#ports/egress.ts';

const A = 1;
const AAAA = 28;

/** Records by name and type; a name that is not here does not exist, `silent.*` is never answered. */
const RECORDS: { [name: string]: { [type: number]: number[][] } } = {
  'both.test': {
    [A]: [
      [93, 184, 216, 34],
      [10, 0, 0, 1],
    ],
    [AAAA]: [[0x26, 6, ...Array<number>(13).fill(0), 1]],
  },
  'four.test': { [A]: [[1, 2, 3, 4]] },
  'six.test': { [AAAA]: [[...Array<number>(15).fill(0), 1]] },
};

/** A name server of a few lines: enough of RFC 1035 to answer one question. */
function answerTo(query: Buffer): Buffer | null {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
  const name = labels.join('.').toLowerCase();
  if (name.startsWith('silent')) return null;
  const question = query.subarray(12, at + 5);
  const known = RECORDS[name];
  const addresses = known?.[query.readUInt16BE(at + 1)] ?? [];
  const code = name.startsWith('broken') ? 2 : known === undefined ? 3 : 0;
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const record = Buffer.from([
      0xc0,
      12,
      0,
      address.length === 4 ? A : AAAA,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      address.length,
    ]);
    return Buffer.concat([record, Buffer.from(address)]);
  });
  return Buffer.concat([header, question, ...records]);
}

let server: Socket;
let resolver: Resolver;
beforeAll(async () => {
  server = createSocket('udp4');
  server.on('message', (query, from) => {
    const answer = answerTo(query);
    if (answer !== null) server.send(answer, from.port, from.address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  const servers = [`127.0.0.1:${server.address().port}`];
  resolver = createDnsResolver({ servers, timeoutMs: 300, tries: 1 });
});
afterAll(() => new Promise<void>((resolve) => server.close(resolve)));

it('answers every address of both families', async () => {
  const both = await resolver.resolve('both.test', { local: false });
  expect(both).toEqual(['93.184.216.34', '10.0.0.1', '2606::1']);
  expect(await resolver.resolve('four.test', { local: false })).toEqual(['1.2.3.4']);
  expect(await resolver.resolve('six.test', { local: false })).toEqual(['::1']);
});

it('answers none for a name that does not exist, and rejects when nobody could say', async () => {
  expect(await resolver.resolve('none.test', { local: false })).toEqual([]);
  await expect(resolver.resolve('broken.test', { local: false })).rejects.toThrow();
  await expect(resolver.resolve('silent.test', { local: false })).rejects.toThrow();
});

it("asks the hosts file for the operator's own names alone", async () => {
  const local = await resolver.resolve('localhost', { local: true });
  expect(local.some((address) => ['127.0.0.1', '::1'].includes(address))).toBe(true);
});

it('keeps files readable while many name servers are silent', async () => {
  const servers = [`127.0.0.1:${server.address().port}`];
  const slow = createDnsResolver({ servers, timeoutMs: 1_000, tries: 1 });
  const lookups = Promise.allSettled(
    Array.from({ length: 64 }, (_, i) => slow.resolve(`silent-${i}.test`, { local: false })),
  );
  const files = Promise.all(Array.from({ length: 8 }, () => readFile(new URL(import.meta.url))));
  const first = await Promise.race([files.then(() => 'files'), lookups.then(() => 'lookups')]);
  expect(first).toBe('files');
  expect((await lookups).every(({ status }) => status === 'rejected')).toBe(true);
});
