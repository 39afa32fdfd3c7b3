import fc from 'fast-check';
import jsonata from 'jsonata';
import { describe, it } from 'vitest';
import { cleanText } from '#core/foreign-json.ts';
import type { Json } from '#core/json.ts';
import { canonicalJson } from '#core/json.ts';
import { evaluate } from '#test/core/expr/support.ts';

// Functions that are computed another way than jsonata computes them: the answers must be its own.

const text = fc.oneof(
  fc.string({ maxLength: 8 }),
  // surrogate pairs, halves of them, and neighbours
  fc.string({ unit: fc.constantFrom('a', '😀', '\ud83d', '\ude00', 'é'), maxLength: 8 }),
);
const number = fc.oneof(
  fc.integer({ min: -10, max: 10 }),
  fc.double({ min: -9, max: 9, noNaN: true }),
);
const object = fc.dictionary(
  fc.constantFrom('a', 'b', '1', '0', '10', 'length'),
  fc.constantFrom(1, 'x', null),
);
const nested = fc.array(fc.oneof(object, fc.array(object, { maxLength: 2 }), fc.constant(3)), {
  maxLength: 4,
});

/** As every store keeps it: our evaluator cleans what it yields. */
const kept = (value: unknown): Json =>
  JSON.parse(
    JSON.stringify(value, (_, each: unknown) =>
      typeof each === 'string' ? cleanText(each) : each,
    ),
  );

async function same(source: string, input: Json): Promise<void> {
  const theirs = await jsonata(source)
    .evaluate(undefined, { input: structuredClone(input) })
    .then(
      (value: unknown) => (value === undefined ? 'nothing' : canonicalJson(kept(value))),
      () => 'refused',
    );
  const result = await evaluate(source, { input });
  const ours = !result.ok
    ? 'refused'
    : result.value === undefined
      ? 'nothing'
      : canonicalJson(result.value);
  if (ours !== theirs) throw new Error(`${source}: ${ours} instead of ${theirs}`);
}

describe('functions of ours in place of jsonata’s', () => {
  it('count and cut characters as jsonata does', async () => {
    await fc.assert(
      fc.asyncProperty(text, number, number, text, async (value, start, length, filler) => {
        const input = { value, start, length, filler };
        await same('$length($input.value)', input);
        await same('$substring($input.value, $input.start)', input);
        await same('$substring($input.value, $input.start, $input.length)', input);
        await same('$substring($input.value, $input.none, $input.length)', input);
        await same('$pad($input.value, $input.start)', input);
        await same('$pad($input.value, $input.length, $input.filler)', input);
      }),
      {
        numRuns: 60,
        examples: [
          ['', 0, 2, '\ude00\ud83d'],
          ['a', 0, 7, '\ude00x\ud83d'],
        ],
      },
    );
  });

  it('collect and merge members as jsonata does', async () => {
    await fc.assert(
      fc.asyncProperty(nested, fc.array(object, { maxLength: 4 }), async (list, objects) => {
        await same('$keys($input.list)', { list } as Json);
        await same('$map($input.objects, $keys)', { objects } as Json);
        await same('$merge($input.objects)', { objects } as Json);
        await same('$zip($input.objects, $input.list)', { objects, list } as Json);
      }),
      { seed: 20_261_126, numRuns: 60 },
    );
  });
});
