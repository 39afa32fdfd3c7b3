import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { workflowJsonSchema } from '#core/dsl/json-schema.ts';
import { parseDefinition } from '#core/dsl/parse.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { STEP_TYPES } from '#core/plan/program.ts';

const schema = workflowJsonSchema();
const validate = new Ajv2020({ strictTypes: false, allowUnionTypes: true }).compile(schema);
const folder = new URL('../../../statemachines/examples/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));
const examples = files.map((name): [string, Record<string, unknown>] => [
  name,
  JSON.parse(readFileSync(new URL(name, folder), 'utf8')),
]);

const base = { workflow_id: 'sample', version: '1.0.0' };
const one = (step: object) => ({ ...base, steps: [{ id: 'a', ...step }] });

describe('the published schema', () => {
  it('is a schema of draft 2020-12 with a name, and has a config for every type', () => {
    expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema['$id']).toBe('urn:cloudflow:dsl:1');
    for (const type of STEP_TYPES) expect(schema['$defs']).toHaveProperty(`config_${type}`);
  });

  it.each(examples)('accepts the example %s', (_, document) => {
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true);
  });

  it.each<[string, unknown]>([
    [
      'an unknown member',
      { ...base, steps: [{ id: 'a', type: 'transform', config: { value: 1 } }], x: 1 },
    ],
    ['no steps', { ...base, steps: [] }],
    ['an unknown type', one({ type: 'http' })],
    ['a config of another type', one({ type: 'http_request', config: { value: 1 } })],
    ['no config where one is needed', one({ type: 'http_request' })],
    ['both wait members', one({ type: 'wait', config: { duration: 1, until: 'x' } })],
    [
      'result where there is none',
      one({
        type: 'group',
        result: '{% $result %}',
        config: { steps: [{ id: 'b', type: 'database_operation' }] },
      }),
    ],
    [
      'compensate on a container',
      one({
        type: 'group',
        compensate: { type: 'notification', config: { channel: 'sms' } },
        config: { steps: [{ id: 'b', type: 'database_operation' }] },
      }),
    ],
    [
      'a wrong step two levels down',
      one({
        type: 'group',
        config: {
          steps: [
            {
              id: 'b',
              type: 'for_each',
              config: { items: [], steps: [{ id: 'C', type: 'fail' }] },
            },
          ],
        },
      }),
    ],
    [
      'a loop without a limit',
      one({
        type: 'loop',
        config: { while: '{% true %}', steps: [{ id: 'b', type: 'database_operation' }] },
      }),
    ],
    [
      'an open compensation',
      one({ type: 'transform', config: { value: 1 }, compensate: { type: 'http_request' } }),
    ],
  ])('refuses, as the parser does: %s', (_, document) => {
    expect(validate(document)).toBe(false);
    expect(parseDefinition(document).ok).toBe(false);
  });

  it('describes every member of every config, for editors', () => {
    const silent: string[] = [];
    const visit = (holder: JsonObject, path: string) => {
      for (const [name, member] of Object.entries((holder['properties'] ?? {}) as JsonObject)) {
        if (!isJsonObject(member)) continue;
        if (member['description'] === undefined) silent.push(`${path}.${name}`);
        visit(member, `${path}.${name}`);
      }
    };
    visit(schema, 'workflow');
    for (const [name, definition] of Object.entries(schema['$defs'] as JsonObject)) {
      visit(definition as JsonObject, name);
    }
    expect(silent).toEqual([]);
  });

  it('shows defaults and nothing that only our messages use', () => {
    const text = JSON.stringify(schema);
    expect(text).toContain('"default":30000');
    expect(text).not.toContain('"allowed"');
    expect(text).not.toContain('durationBetween');
  });
});
