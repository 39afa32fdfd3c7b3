import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createEncryptingCodec, createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { PayloadUnreadable } from '#ports/payload-codec.ts';

const TENANT = 'tenant-1';

describe('payload codec', () => {
  const old = { id: 'k1', key: randomBytes(32) };
  const current = { id: 'k2', key: randomBytes(32) };

  it('keeps JSON readable by default, and names its key', () => {
    const codec = createPlainCodec();
    expect(codec.encode({ a: [1, null] }, TENANT)).toBe('0:{"a":[1,null]}');
    expect(codec.decode('0:{"a":[1,null]}', TENANT)).toEqual({ a: [1, null] });
    expect(() => codec.decode('k1:abc', TENANT)).toThrow(PayloadUnreadable);
  });

  it('reads what older keys and the plain codec wrote', () => {
    const codec = createEncryptingCodec(current, [old]);
    const before = createEncryptingCodec(old).encode('secret', TENANT);
    expect(before).not.toContain('secret');
    expect(codec.decode(before, TENANT)).toBe('secret');
    expect(codec.decode('0:7', TENANT)).toBe(7);
    expect(codec.encode(1, TENANT)).toMatch(/^k2:/);
    expect(() => createEncryptingCodec(current).decode(before, TENANT)).toThrow('k1');
  });

  it('reads nothing that was altered or moved to another tenant', () => {
    const codec = createEncryptingCodec(current);
    const text = codec.encode({ n: 1 }, TENANT);
    expect(() => codec.decode(text, 'tenant-2')).toThrow(PayloadUnreadable);
    const flipped = text.slice(0, -3) + (text.at(-3) === 'A' ? 'B' : 'A') + text.slice(-2);
    expect(() => codec.decode(flipped, TENANT)).toThrow(PayloadUnreadable);
  });

  it('refuses keys that cannot work', () => {
    expect(() => createEncryptingCodec({ id: '0', key: randomBytes(32) })).toThrow(TypeError);
    expect(() => createEncryptingCodec({ id: 'k', key: randomBytes(16) })).toThrow(TypeError);
  });

  it('replaces what a text column cannot hold, in keys too', () => {
    const codec = createPlainCodec();
    const text = codec.encode({ 'a\u0000': ['\ud800', '\\u0000 spelled'] }, TENANT);
    expect(text).not.toMatch(/\\ud800/i);
    expect(codec.decode(text, TENANT)).toEqual({ 'a\ufffd': ['\ufffd', '\\u0000 spelled'] });
  });
});
