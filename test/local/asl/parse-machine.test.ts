import { describe, expect, it } from 'vitest';
import type { Json, JsonObject } from '#core/json.ts';
import { parseMachine } from '#local/asl/parse-machine.ts';
import { machine, scope, task } from './harness.ts';
import { CASES } from './machines.ts';

/** `CODE pointer` of every problem. */
function problems(definition: Json): string[] {
  const result = parseMachine(definition);
  return result.ok ? [] : result.problems.map(({ code, pointer }) => `${code} ${pointer}`);
}

const one = (state: JsonObject): JsonObject => machine({ A: { End: true, ...state } });
const pass = (more: JsonObject = {}): JsonObject => one({ Type: 'Pass', ...more });
const choice = (rule: JsonObject): JsonObject =>
  machine({
    A: { Type: 'Choice', Choices: [rule], Default: 'B' },
    B: { Type: 'Succeed' },
  });
const SUCCEED = { S: { Type: 'Succeed' } };

describe('parseMachine', () => {
  it.each(Object.entries(CASES))('accepts %s', (_name, { definition }) => {
    expect(problems(definition)).toEqual([]);
  });

  it('accepts a machine whose states alone say JSONata', () => {
    expect(
      problems({ StartAt: 'A', States: { A: { Type: 'Succeed', QueryLanguage: 'JSONata' } } }),
    ).toEqual([]);
  });

  const refusals: readonly (readonly [string, Json, readonly string[]])[] = [
    ['what is no object', [], ['SCHEMA_VALIDATION_FAILED ']],
    [
      'a machine without states',
      { QueryLanguage: 'JSONata', StartAt: 'A' },
      ['SCHEMA_VALIDATION_FAILED '],
    ],
    ['an unknown field of the machine', { ...pass(), Foo: 1 }, ['UNSUPPORTED_FIELD /Foo']],
    [
      'JSONPath by default',
      { StartAt: 'A', States: { A: { Type: 'Pass', End: true } } },
      ['UNSUPPORTED_QUERY_LANGUAGE /States/A/QueryLanguage'],
    ],
    [
      'a state that goes back to JSONPath',
      pass({ QueryLanguage: 'JSONPath' }),
      ['UNSUPPORTED_QUERY_LANGUAGE /States/A/QueryLanguage'],
    ],
    ['a JSONPath field', pass({ InputPath: '$.a' }), ['UNSUPPORTED_FIELD /States/A/InputPath']],
    [
      'several at once, in order',
      pass({ Parameters: {}, ResultPath: '$', Output: '{% ( %}' }),
      [
        'UNSUPPORTED_FIELD /States/A/Parameters',
        'UNSUPPORTED_FIELD /States/A/ResultPath',
        'INVALID_JSONATA_EXPRESSION /States/A/Output',
      ],
    ],
    ['an unknown type', one({ Type: 'Loop' }), ['SCHEMA_VALIDATION_FAILED /States/A/Type']],
    [
      'an activity',
      one(task({ Resource: 'arn:aws:states:us-east-1:1:activity:x' })),
      ['UNSUPPORTED_RESOURCE /States/A/Resource'],
    ],
    [
      'another service',
      one(task({ Resource: 'arn:aws:states:::sqs:sendMessage' })),
      ['UNSUPPORTED_RESOURCE /States/A/Resource'],
    ],
    [
      'a function as a resource',
      one(task({ Resource: 'arn:aws:lambda:us-east-1:1:function:f' })),
      ['UNSUPPORTED_RESOURCE /States/A/Resource'],
    ],
    [
      'a Distributed map',
      one({
        Type: 'Map',
        ItemProcessor: { ProcessorConfig: { Mode: 'DISTRIBUTED' }, ...scope(SUCCEED) },
      }),
      ['UNSUPPORTED_FIELD /States/A/ItemProcessor/ProcessorConfig/Mode'],
    ],
    [
      'fields of the Distributed map',
      one({ Type: 'Map', ItemReader: {}, ItemProcessor: scope(SUCCEED) }),
      ['UNSUPPORTED_FIELD /States/A/ItemReader'],
    ],
    [
      'TimeoutSeconds on a Map and a Parallel',
      machine({
        M: { Type: 'Map', TimeoutSeconds: 5, ItemProcessor: scope(SUCCEED), Next: 'P' },
        P: {
          Type: 'Parallel',
          TimeoutSeconds: 5,
          Branches: [scope({ T: { Type: 'Succeed' } })],
          End: true,
        },
      }),
      ['UNSUPPORTED_FIELD /States/M/TimeoutSeconds', 'UNSUPPORTED_FIELD /States/P/TimeoutSeconds'],
    ],
    [
      'Retry on a Pass',
      pass({ Retry: [{ ErrorEquals: ['States.ALL'] }] }),
      ['UNSUPPORTED_FIELD /States/A/Retry'],
    ],
    [
      'unknown arguments',
      one(task({ Arguments: { FunctionName: 'f', Qualifier: '1' } })),
      ['UNSUPPORTED_FIELD /States/A/Arguments/Qualifier'],
    ],
    [
      'missing arguments',
      one(task({ Arguments: { Payload: 1 } })),
      ['SCHEMA_VALIDATION_FAILED /States/A/Arguments'],
    ],
    [
      'a target that does not exist',
      machine({ A: { Type: 'Pass', Next: 'B' }, C: { Type: 'Succeed' } }),
      ['MISSING_TRANSITION_TARGET /States/A/Next', 'MISSING_TRANSITION_TARGET /States/C'],
    ],
    [
      'a target in another scope',
      machine({
        P: { Type: 'Parallel', Branches: [scope({ B: { Type: 'Pass', Next: 'Z' } })], Next: 'Z' },
        Z: { Type: 'Succeed' },
      }),
      [
        'MISSING_TRANSITION_TARGET /States/P/Branches/0/States/B/Next',
        'MISSING_END_STATE /States/P/Branches/0/States',
      ],
    ],
    [
      'a StartAt that does not exist',
      { ...pass(), StartAt: 'Z' },
      ['MISSING_TRANSITION_TARGET /StartAt', 'MISSING_TRANSITION_TARGET /States/A'],
    ],
    [
      'no end',
      machine({ A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Pass', Next: 'A' } }),
      ['MISSING_END_STATE /States'],
    ],
    [
      'neither Next nor End',
      machine({ A: { Type: 'Pass' } }),
      ['SCHEMA_VALIDATION_FAILED /States/A'],
    ],
    [
      'the same name in two scopes',
      machine({
        A: { Type: 'Parallel', Branches: [scope({ A: { Type: 'Succeed' } })], End: true },
      }),
      ['DUPLICATE_STATE_NAME /States/A/Branches/0/States/A'],
    ],
    [
      'a name of more than 80 characters',
      machine({ ['n'.repeat(81)]: { Type: 'Succeed' } }),
      [`SCHEMA_VALIDATION_FAILED /States/${'n'.repeat(81)}`],
    ],
    [
      'an inner scope that assigns an outer name',
      machine({
        P: {
          Type: 'Parallel',
          Branches: [scope({ B: { Type: 'Pass', Assign: { v: 1, w: 1 }, End: true } })],
          Next: 'Z',
        },
        Z: { Type: 'Pass', Assign: { v: 2 }, End: true },
      }),
      ['VARIABLE_IN_OUTER_SCOPE /States/P/Branches/0/States/B/Assign/v'],
    ],
    [
      'a variable named states',
      pass({ Assign: { states: 1 } }),
      ['SCHEMA_VALIDATION_FAILED /States/A/Assign/states'],
    ],
    [
      'a variable that would be a prototype',
      JSON.parse(
        '{"QueryLanguage":"JSONata","StartAt":"A","States":{"A":{"Type":"Pass","End":true,"Assign":{"__proto__":1}}}}',
      ),
      ['SCHEMA_VALIDATION_FAILED /States/A/Assign/__proto__'],
    ],
    [
      'a bare name at the top level',
      pass({ Output: { v: '{% phone %}' } }),
      ['UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output/v'],
    ],
    [
      '$ at the top level',
      pass({ Output: '{% $ %}' }),
      ['UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output'],
    ],
    [
      '$$ anywhere',
      pass({ Output: '{% $states.input.($$) %}' }),
      ['UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output'],
    ],
    [
      '$states.errorOutput outside a Catcher',
      pass({ Output: '{% $states.errorOutput.Error %}' }),
      ['UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output'],
    ],
    [
      'operators that AWS does not have',
      pass({ Output: ['{% $a ?: 1 %}', '{% $a ?? 1 %}'] }),
      [
        'INVALID_JSONATA_EXPRESSION /States/A/Output/0',
        'INVALID_JSONATA_EXPRESSION /States/A/Output/1',
      ],
    ],
    [
      'half an expression',
      pass({ Output: '{% 1' }),
      ['INVALID_JSONATA_EXPRESSION /States/A/Output'],
    ],
    [
      'a condition that is no expression',
      choice({ Condition: 'yes', Next: 'B' }),
      ['SCHEMA_VALIDATION_FAILED /States/A/Choices/0/Condition'],
    ],
    [
      'a rule of JSONPath',
      choice({ Variable: '$.a', NumericEquals: 1, Next: 'B' }),
      [
        'UNSUPPORTED_FIELD /States/A/Choices/0/Variable',
        'UNSUPPORTED_FIELD /States/A/Choices/0/NumericEquals',
        'SCHEMA_VALIDATION_FAILED /States/A/Choices/0/Condition',
      ],
    ],
    [
      'States.ALL before the end',
      one(
        task({
          Retry: [{ ErrorEquals: ['States.ALL'] }, { ErrorEquals: ['E'] }],
          Catch: [{ ErrorEquals: ['States.ALL', 'E'], Next: 'A' }],
        }),
      ),
      [
        'SCHEMA_VALIDATION_FAILED /States/A/Retry/0/ErrorEquals',
        'SCHEMA_VALIDATION_FAILED /States/A/Catch/0/ErrorEquals',
      ],
    ],
    [
      'a heartbeat that is not under the timeout',
      one(task({ TimeoutSeconds: 5, HeartbeatSeconds: 5 })),
      ['SCHEMA_VALIDATION_FAILED /States/A/HeartbeatSeconds'],
    ],
    [
      'a Wait with both and a Wait with none',
      machine({
        A: { Type: 'Wait', Seconds: 1, Timestamp: '2026-01-01T00:00:00Z', Next: 'B' },
        B: { Type: 'Wait', End: true },
      }),
      ['SCHEMA_VALIDATION_FAILED /States/A', 'SCHEMA_VALIDATION_FAILED /States/B'],
    ],
    [
      'a Timestamp that is none',
      one({ Type: 'Wait', Timestamp: 'tomorrow' }),
      ['SCHEMA_VALIDATION_FAILED /States/A/Timestamp'],
    ],
    [
      'numbers out of range',
      one(task({ TimeoutSeconds: 0, Retry: [{ ErrorEquals: ['E'], BackoffRate: 0.5 }] })),
      [
        'SCHEMA_VALIDATION_FAILED /States/A/Retry/0/BackoffRate',
        'SCHEMA_VALIDATION_FAILED /States/A/TimeoutSeconds',
      ],
    ],
    [
      'a definition over 1 MB',
      pass({ Comment: 'x'.repeat(1_050_000) }),
      ['SCHEMA_VALIDATION_FAILED '],
    ],
  ];
  it.each(refusals)('refuses %s', (_name, definition, expected) => {
    expect(problems(definition)).toEqual(expected);
  });

  it('says what is unsupported by name, and what is allowed', () => {
    const result = parseMachine(pass({ InputPath: '$.a' }));
    expect(result.ok ? [] : result.problems).toMatchObject([
      {
        message:
          "field 'InputPath' belongs to the JSONPath query language, and only JSONata is supported",
        allowed: expect.stringContaining('Output'),
      },
    ]);
  });

  it('refuses nesting without end before it reads it', () => {
    let inner: JsonObject = scope(SUCCEED);
    for (let depth = 0; depth < 5_000; depth++) {
      inner = scope({ [`P${depth}`]: { Type: 'Parallel', Branches: [inner], End: true } });
    }
    expect(problems({ QueryLanguage: 'JSONata', ...inner })).toEqual(['SCHEMA_VALIDATION_FAILED ']);
  });

  it.each([
    "$states.input.items[value > 3 and $.name = 'x']",
    '$map($states.input.a, function($v) { $v.b })',
    '$states.input.a{name: $sum(value)}',
    '$states.input^(>price).name',
    '($x := $states.input; $x.y)',
    "$states.input ~> |items|{'price': price * 2}|",
    "{'a': $states.input.a, 'b': [$v, 2]}",
    '$states.input.(a + b)',
    '$exists($v) ? $v : 0',
  ])('leaves the context of inner steps alone: %s', (source) => {
    expect(problems(pass({ Output: `{% ${source} %}` }))).toEqual([]);
  });

  it.each([
    '$map($states.input.a, function($x) { b })',
    '[1, b]',
    "{'a': b}",
    '$states.input ~> b',
    '(b; 1)',
    '$sum(b.c)',
    '-b',
    'true ? b : 1',
  ])('finds a bare name wherever the context is the top one: %s', (source) => {
    expect(problems(pass({ Output: `{% ${source} %}` }))).toEqual([
      'UNSUPPORTED_JSONATA_EXPRESSION /States/A/Output',
    ]);
  });
});
