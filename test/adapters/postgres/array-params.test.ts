import { beforeAll, expect, it } from 'vitest';
import {
  boolArray,
  float8Array,
  int4Array,
  int8Array,
  textArray,
  uuidArray,
} from '#adapters/postgres/array-params.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';

const UUID = '0194c8a1-7f3e-7abc-8def-0123456789ab';

describeWithPostgres('array parameters in binary form', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });

  it.each<[string, Buffer, unknown]>([
    [
      'text',
      textArray(['', 'a"b\\c{,}', 'žluťoučký 😀', null, 'x'.repeat(10_000)]),
      ['', 'a"b\\c{,}', 'žluťoučký 😀', null, 'x'.repeat(10_000)],
    ],
    ['uuid', uuidArray([UUID, null]), [UUID, null]],
    ['int4', int4Array([0, -1, 2_147_483_647, null]), [0, -1, 2_147_483_647, null]],
    ['int8', int8Array(['9007199254740993', null]), ['9007199254740993', null]],
    ['float8', float8Array([1_763_812_800.123, null, -0.5]), [1_763_812_800.123, null, -0.5]],
    ['bool', boolArray([true, false, null]), [true, false, null]],
    ['text', textArray([]), []],
    ['uuid', uuidArray([]), []],
    ['text', textArray([null, null]), [null, null]],
  ])('reads %s as it was written', async (type, parameter, expected) => {
    const { rows } = await database.admin.query<{ value: unknown }>(
      `select $1::${type}[] as value`,
      [parameter],
    );
    expect(rows[0]?.value).toEqual(expected);
  });

  it('refuses what is no UUID', () => {
    expect(() => uuidArray(['not-a-uuid'])).toThrow(TypeError);
  });
});
