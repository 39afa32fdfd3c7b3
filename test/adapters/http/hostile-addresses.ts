/**
 * The forms that the guard is tried with: real addresses that nobody may reach, and the spellings in
 * which they hide. Shared by the table test and by the test that connects for real.
 */

/** Addresses that are put on `lo` with a canary behind each. */
export const HOSTILE_V4 = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '10.255.255.254',
  '100.64.0.1',
  '100.100.100.200',
  '127.0.0.1',
  '127.1.2.3',
  '168.63.129.16',
  '169.254.0.1',
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '172.16.0.1',
  '172.31.255.254',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.0.1',
  '192.168.255.254',
  '198.18.0.1',
  '198.19.255.254',
  '198.51.100.7',
  '203.0.113.9',
  '224.0.0.1',
  '239.255.255.250',
  '240.0.0.1',
  '255.255.255.255',
] as const;

export const HOSTILE_V6 = [
  '::',
  '::1',
  '::2',
  'fc00::1',
  'fd00:ec2::254',
  'fdff:ffff::1',
  'fe80::1',
  'febf::1',
  'fec0::1',
  'ff02::1',
  'ff0e::1',
  '100::1',
  '2001::1',
  '2001:1::1',
  '2001:10::1',
  '2001:20::1',
  '2001:1ff:ffff::1',
  '2001:db8::1',
  '2002:7f00:1::1',
  '2002:a9fe:a9fe::',
  '3fff::1',
  '3fff:fff::1',
  '4000::1',
  '5f00::1',
  '64:ff9b::808:808',
  '64:ff9b:1::a9fe:a9fe',
] as const;

/** Neighbours of the forbidden blocks, and plain public addresses. */
export const PUBLIC_ADDRESSES = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '93.184.216.34',
  '100.63.255.255',
  '100.128.0.0',
  '126.255.255.255',
  '128.0.0.0',
  '168.63.129.15',
  '169.253.255.255',
  '169.255.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '191.255.255.255',
  '192.0.1.0',
  '192.0.3.0',
  '192.88.98.255',
  '192.88.100.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '198.51.99.255',
  '203.0.112.255',
  '203.0.114.0',
  '223.255.255.255',
  '2000::1',
  '2001:200::1',
  '2001:4860:4860::8888',
  '2003::1',
  '2606:4700:4700::1111',
  '2620:fe::fe',
  '3ffe::1',
  '3fff:1000::1',
] as const;

/** Spellings of an IPv4 address that a URL parser understands, as the host of a URL. */
export function spellingsOfV4(address: string): string[] {
  const bytes = address.split('.').map(Number) as [number, number, number, number];
  const whole = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  const [a, b, c, d] = bytes;
  const hex = (value: number): string => `0x${value.toString(16)}`;
  const octal = (value: number): string => `0${value.toString(8)}`;
  const groups = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  const wide = [...address]
    .map((char) => (char === '.' ? '\uff0e' : String.fromCodePoint(0xff10 + Number(char))))
    .join('');
  const circled = [...address]
    .map((char) =>
      char === '.'
        ? '\u3002'
        : char === '0'
          ? '\u24ea'
          : String.fromCodePoint(0x2460 + Number(char) - 1),
    )
    .join('');
  return [
    address,
    `${address}.`,
    String(whole),
    hex(whole),
    `0X${whole.toString(16).toUpperCase()}`,
    octal(whole),
    bytes.map(hex).join('.'),
    bytes.map(octal).join('.'),
    `${hex(a)}.${b}.${octal(c)}.${d}`,
    `${a}.${b}.${c * 256 + d}`,
    `${a}.${(b * 256 + c) * 256 + d}`,
    `000${octal(a)}.${b}.${c}.${d}`,
    bytes.map((byte) => `%3${String(byte).split('').join('%3')}`).join('.'),
    wide,
    circled,
    `[::ffff:${address}]`,
    `[::ffff:${groups}]`,
    `[0:0:0:0:0:ffff:${address}]`,
    `[::${address}]`,
    `[::${groups}]`,
    `[64:ff9b::${address}]`,
    `[64:ff9b:1::${groups}]`,
    `[2002:${groups}::]`,
    `[2002:${groups}::1]`,
    `[2001:0:${groups}::1]`,
    `[2001:0:4136:e378:8000:63bf:${groups}]`,
    `[::ffff:0:${address}]`,
  ];
}

/** Every hostile host as it may stand in a URL. */
export const HOSTILE_HOSTS: readonly string[] = [
  ...HOSTILE_V4.flatMap(spellingsOfV4),
  ...HOSTILE_V6.map((address) => `[${address}]`),
  ...HOSTILE_V6.map((address) => `[${address.toUpperCase()}]`),
];
