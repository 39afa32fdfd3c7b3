/**
 * Judges IP addresses: may the work of a tenant connect there? Deny by default: an IPv6 address must
 * lie in the global unicast block and in none of its special parts; an IPv4 address in none of the
 * special blocks. Forms that embed an IPv4 address are refused whole, whatever they embed: a kernel,
 * NAT64 or relay in between may unwrap them behind our back.
 *
 * Sources: the IANA special-purpose registries for IPv4 and IPv6, and the addresses at which clouds
 * hand credentials to whoever asks.
 */

/** Big-endian bytes: 4 or 16. */
export type Address = readonly number[];

const BLOCKED_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], // this network; 0.0.0.0 itself reaches loopback on Linux
  ['10.0.0.0', 8],
  ['100.64.0.0', 10], // carrier NAT; Alibaba's metadata at 100.100.100.200
  ['127.0.0.0', 8],
  ['168.63.129.16', 32], // Azure's wire server, in a block that is otherwise public
  ['169.254.0.0', 16], // link local: IMDS, task and pod credentials
  ['172.16.0.0', 12],
  ['192.0.0.0', 24], // protocol assignments; Oracle's metadata at 192.0.0.192
  ['192.0.2.0', 24],
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4], // with the broadcast address
];

const GLOBAL_V6 = ['2000::', 3] as const;

const BLOCKED_V6: readonly (readonly [string, number])[] = [
  ['2001::', 23], // protocol assignments: Teredo, ORCHID, benchmarking
  ['2001:db8::', 32],
  ['2002::', 16], // 6to4: an IPv4 address inside
  ['3fff::', 20],
];

/**
 * Bytes of an address in its usual text (dotted quad, or any RFC 4291 form), null for anything else.
 * Strict on purpose: other spellings are for the URL parser to undo, before.
 */
export function parseAddress(text: string): Address | null {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

/** Whether a tenant's work may connect to this address. What cannot be read may not. */
export function isPublicAddress(text: string): boolean {
  const address = parseAddress(text);
  if (address === null) return false;
  if (address.length === 4) return !V4.some((block) => isIn(address, block));
  return isIn(address, GLOBAL) && !V6.some((block) => isIn(address, block));
}

/** Whether both name the same address, however they are written; a zone makes them differ. */
export function isSameAddress(one: string, other: string): boolean {
  const a = parseAddress(one);
  const b = parseAddress(other);
  return a !== null && b !== null && a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/**
 * What limits count addresses by: one of IPv4 by itself, those of IPv6 by the /64 that one customer of a network
 * has and may take any address of. `unknown`: what is no address.
 */
export function networkOf(source: string | null): string {
  const address = source === null ? null : parseAddress(source);
  if (address === null) return 'unknown';
  if (address.length === 4) return address.join('.');
  if (isIn(address, MAPPED)) return address.slice(12).join('.');
  const prefix = [0, 2, 4, 6].map((i) =>
    (((address[i] as number) << 8) | (address[i + 1] as number)).toString(16),
  );
  return `${prefix.join(':')}::/64`;
}

function parseV4(text: string): Address | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes: number[] = [];
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bytes.push(Number(part));
  }
  return bytes;
}

function parseV6(text: string): Address | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = groups(halves[0] as string, halves.length === 1);
  const tail = groups(halves[1] ?? '', true);
  if (head === null || tail === null) return null;
  if (halves.length === 1) return head.length === 16 ? head : null;
  const gap = 16 - head.length - tail.length;
  return gap < 2 ? null : [...head, ...new Array<number>(gap).fill(0), ...tail];
}

/** A dotted quad may stand only at the very end of an address. */
function groups(text: string, last: boolean): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const four = last && i === parts.length - 1 ? parseV4(part) : null;
      if (four === null) return null;
      bytes.push(...four);
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      const value = Number.parseInt(part, 16);
      bytes.push(value >> 8, value & 255);
    } else {
      return null;
    }
  }
  return bytes;
}

interface Block {
  readonly address: Address;
  readonly bits: number;
}

function block([text, bits]: readonly [string, number]): Block {
  const address = parseAddress(text);
  if (address === null) throw new TypeError(`not an address: ${text}`);
  return { address, bits };
}

function isIn(address: Address, { address: base, bits }: Block): boolean {
  for (let i = 0, left = bits; left > 0; i++, left -= 8) {
    const mask = left >= 8 ? 255 : (255 << (8 - left)) & 255;
    if (((address[i] as number) & mask) !== ((base[i] as number) & mask)) return false;
  }
  return true;
}

const V4 = BLOCKED_V4.map(block);
const V6 = BLOCKED_V6.map(block);
const GLOBAL = block(GLOBAL_V6);
/** How a socket of both families writes an address of IPv4. */
const MAPPED = block(['::ffff:0:0', 96]);
