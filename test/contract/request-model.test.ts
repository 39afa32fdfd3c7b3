import type { Ajv } from 'ajv';
import AjvDraft4 from 'ajv-draft-04';
import { describe, expect, it } from 'vitest';
import { AUTHORIZATION } from '#contract/credential.ts';
import { EXAMPLES } from '#contract/examples.ts';
import { requestModel, toDraft4 } from '#contract/request-model.ts';
import { operationIds, routeOf } from '#contract/routes.ts';
import { parseApiKey } from '#services/identity/api-key.ts';

const Draft4 = AjvDraft4 as unknown as new (options: object) => Ajv;
const ajv = () =>
  new Draft4({
    strict: true,
    allowUnionTypes: true,
    strictRequired: false,
    formats: { 'date-time': true },
  });
const withBody = operationIds.filter((id) => {
  const { body, form } = routeOf(id);
  return body !== undefined && form !== true;
});

describe('models of request bodies', () => {
  it.each(withBody)(
    '%s: the model is draft 4 and takes any object, its shape stands beside',
    (id) => {
      const { schema, unjudged } = requestModel(id)!;
      const takes = ajv().compile(schema);
      expect(takes({})).toBe(true);
      expect(takes({ anything: 1 })).toBe(true);
      for (const other of [[], 'text', 1, true, null]) expect(takes(other)).toBe(false);
      expect(unjudged === null).toBe(routeOf(id).bodyOptional !== true);
      const example = EXAMPLES[id]?.body;
      if (example === undefined) return;
      const { definitions } = schema as { definitions: { body: object } };
      expect(ajv().compile(definitions.body)(example)).toBe(true);
    },
  );

  it('there is none where there is no body of JSON', () => {
    for (const id of operationIds.filter((each) => !withBody.includes(each))) {
      expect(requestModel(id)).toBeNull();
    }
  });

  it('says in draft 4 what it can, and less where it cannot', () => {
    expect(
      toDraft4({
        type: 'object',
        required: ['kind'],
        discriminator: { propertyName: 'kind' },
        oneOf: [{ properties: { kind: { const: 'a' } } }],
        patternProperties: { '^const$': { const: 1, default: 1 } },
        propertyNames: { maxLength: 3 },
        additionalProperties: false,
      }),
    ).toEqual({
      type: 'object',
      required: ['kind'],
      oneOf: [{ properties: { kind: { enum: ['a'] } } }],
      patternProperties: { '^const$': { enum: [1] } },
      additionalProperties: false,
    });
  });

  it('a keyword that nobody thought of is refused by its name', () => {
    expect(() => toDraft4({ type: 'object', unevaluatedProperties: false })).toThrow(
      'the keyword unevaluatedProperties has no word in draft 4 yet; add it here',
    );
  });
});

describe('the form of a credential', () => {
  const KEY = 'cfk_live_0123456789abcdefghijABCDEFghijkl';
  it('is the same to the door of a deployment and to who reads keys', () => {
    const door = new RegExp(AUTHORIZATION);
    expect(door.test(`Bearer ${KEY.slice(0, 41)}`)).toBe(true);
    expect(door.test(`bearer ${KEY.slice(0, 41)}`)).toBe(true);
    for (const not of [
      KEY,
      'Bearer ',
      'Basic abc',
      `Bearer ${KEY}x`,
      `Bearer ${KEY.slice(0, 40)}!`,
    ]) {
      expect([not, door.test(not)]).toEqual([not, false]);
    }
    // The form is right; the checksum is not, which takes a look at every letter.
    expect(parseApiKey(KEY.slice(0, 41))).toBeNull();
  });
});
