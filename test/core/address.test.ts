import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isPublicAddress, isSameAddress, networkOf, parseAddress } from '#core/address.ts';
import {
  HOSTILE_HOSTS,
  HOSTILE_V4,
  HOSTILE_V6,
  PUBLIC_ADDRESSES,
} from '#test/adapters/http/hostile-addresses.ts';

describe('an address', () => {
  it.each(HOSTILE_V4)('%s is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
  it.each(HOSTILE_V6)('%s is not public', (address) => {
    expect(parseAddress(address)).not.toBeNull();
    expect(isPublicAddress(address)).toBe(false);
  });
  it.each(PUBLIC_ADDRESSES)('%s is public', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });

  it.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '0x7f.0.0.1',
    '256.1.1.1',
    '1.2.3.4 ',
    '1.2.3.-4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
    '[::1]',
    'example.com',
  ])('%j is no address, so it is not public', (text) => {
    expect(parseAddress(text)).toBeNull();
    expect(isPublicAddress(text)).toBe(false);
  });
});

describe('a host in a URL', () => {
  it(`is one of at least 500 hostile forms (${HOSTILE_HOSTS.length})`, () => {
    expect(new Set(HOSTILE_HOSTS).size).toBeGreaterThanOrEqual(500);
  });

  it.each(HOSTILE_HOSTS)('http://%s/ names nothing that is public', (host) => {
    const url = URL.parse(`http://${host}/`);
    // A form that the parser itself refuses never becomes a request.
    if (url !== null) expect(isPublicAddress(url.hostname.replace(/^\[|\]$/g, ''))).toBe(false);
  });
});

describe('properties', () => {
  it('an IPv4 address inside IPv6 is never public', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.constantFrom('::ffff:', '::', '64:ff9b::'), (four, prefix) => {
        expect(isPublicAddress(`${prefix}${four}`)).toBe(false);
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });

  it('what the URL parser writes is read, and the same however it was written', () => {
    fc.assert(
      fc.property(fc.ipV6(), (six) => {
        const host = URL.parse(`http://[${six}]/`)?.hostname.slice(1, -1) ?? '';
        expect(isSameAddress(host, six)).toBe(true);
        expect(isPublicAddress(host)).toBe(isPublicAddress(six));
      }),
      { seed: 7, numRuns: 2_000 },
    );
  });

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::', '2001:db8:1:2::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'unknown'],
    ['nonsense}', 'unknown'],
    [null, 'unknown'],
  ])('%s is counted as %s', (source, network) => {
    expect(networkOf(source)).toBe(network);
  });
});
