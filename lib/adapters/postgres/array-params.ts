/**
 * Array parameters in PostgreSQL's binary form. The driver writes arrays as text: every JSON payload
 * is searched for quotes and escaped here, and parsed letter by letter there. In the binary form bytes
 * are copied on both sides. Used where statements carry thousands of elements.
 */
const HEADER_BYTES = 20;
const EMPTY_BYTES = 12;

const OID = { bool: 16, int8: 20, int4: 23, text: 25, float8: 701, uuid: 2950 } as const;

type Nullable<T> = readonly (T | null)[];

export function textArray(values: Nullable<string>): Buffer {
  let size = 0;
  const lengths = new Array<number>(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as string | null;
    const length = value === null ? 0 : Buffer.byteLength(value);
    lengths[i] = length;
    size += length;
  }
  return build(OID.text, values, size, (buffer, at, value, i) => {
    buffer.write(value, at, 'utf8');
    return lengths[i] as number;
  });
}

/** Elements in their usual text form. */
export function uuidArray(values: Nullable<string>): Buffer {
  return build(OID.uuid, values, values.length * 16, (buffer, at, value) => {
    const written = buffer.write(value.replaceAll('-', ''), at, 'hex');
    if (written !== 16) throw new TypeError(`not a UUID: ${value}`);
    return 16;
  });
}

export function int4Array(values: Nullable<number>): Buffer {
  return build(OID.int4, values, values.length * 4, (buffer, at, value) => {
    buffer.writeInt32BE(value, at);
    return 4;
  });
}

/** Elements as decimal text, which is how the driver reads them. */
export function int8Array(values: Nullable<string>): Buffer {
  return build(OID.int8, values, values.length * 8, (buffer, at, value) => {
    buffer.writeBigInt64BE(BigInt(value), at);
    return 8;
  });
}

export function float8Array(values: Nullable<number>): Buffer {
  return build(OID.float8, values, values.length * 8, (buffer, at, value) => {
    buffer.writeDoubleBE(value, at);
    return 8;
  });
}

export function boolArray(values: Nullable<boolean>): Buffer {
  return build(OID.bool, values, values.length, (buffer, at, value) => {
    buffer[at] = value ? 1 : 0;
    return 1;
  });
}

/** `bytes` is at least what the elements take; `write` answers what one took. */
function build<T>(
  oid: number,
  values: Nullable<T>,
  bytes: number,
  write: (buffer: Buffer, at: number, value: T, i: number) => number,
): Buffer {
  if (values.length === 0) {
    const empty = Buffer.alloc(EMPTY_BYTES);
    empty.writeInt32BE(oid, 8);
    return empty;
  }
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + values.length * 4 + bytes);
  buffer.writeInt32BE(1, 0); // dimensions
  buffer.writeInt32BE(1, 4); // may hold nulls
  buffer.writeInt32BE(oid, 8);
  buffer.writeInt32BE(values.length, 12);
  buffer.writeInt32BE(1, 16); // the first index
  let at = HEADER_BYTES;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as T | null;
    if (value === null) {
      buffer.writeInt32BE(-1, at);
      at += 4;
      continue;
    }
    const length = write(buffer, at + 4, value, i);
    buffer.writeInt32BE(length, at);
    at += 4 + length;
  }
  return at === buffer.length ? buffer : buffer.subarray(0, at);
}
