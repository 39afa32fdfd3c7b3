import { beforeEach, describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { performCall } from '#steps/perform-call.ts';
import { callOf, codeOf, createWorld, ROOT_ID, stepOf, type World } from './support.ts';

let world: World;
beforeEach(() => {
  world = createWorld();
});

describe('database_operation', () => {
  const step = stepOf({ id: 'create-account', type: 'database_operation' });
  beforeEach(() => {
    world.stored['pw'] = 'canary-pw';
    world.stored['ro'] = 'canary-ro';
    world.registered['crm'] = {
      type: 'postgres',
      host: 'db.example',
      database: 'd',
      login: { username: 'writer', secret: 'pw' },
      reader: { username: 'reader', secret: 'ro' },
    };
    world.operations['create-account'] = {
      connection: 'crm',
      access: 'write',
      statement: 'insert into accounts values (:id, :name)',
      parameters: {
        type: 'object',
        properties: { id: { type: 'integer' }, name: { type: 'string' } },
        required: ['id'],
      },
    };
    world.operations['look'] = {
      connection: 'crm',
      access: 'read',
      statement: 'select 1',
      max_rows: 5,
    };
  });
  const run = (config: Json, more = {}) => performCall(world, callOf(step, config, more));

  it('runs the operation that is named after the step, with values apart', async () => {
    expect(await run({ parameters: { name: "'; --", id: 5 } })).toEqual({
      ok: true,
      output: { row_count: 1 },
      compensation: null,
    });
    expect(world.statements[0]).toMatchObject({
      tenant: 'acme',
      mode: 'live',
      connection: 'id of crm',
      revision: 3,
      access: 'write',
      text: 'insert into accounts values ($1, $2)',
      values: ['5', "'; --"],
      key: `${ROOT_ID}/create-account`,
      login: { username: 'writer' },
    });
  });

  it('reads as the reader', async () => {
    world.answerStatement = () => ({
      ok: true,
      result: { rows: [{ a: 1 }], row_count: 1 },
      replayed: false,
    });
    expect(await run({ operation: 'look', connection: 'crm' })).toMatchObject({
      ok: true,
      output: { rows: [{ a: 1 }], row_count: 1 },
    });
    expect(world.statements[0]).toMatchObject({
      access: 'read',
      login: { username: 'reader' },
      maxRows: 5,
    });
    expect(world.statements[0]?.login.password.reveal()).toBe('canary-ro');
  });

  it.each([
    ['unknown operation', { operation: 'none' }],
    ['an operation of another kind', { operation: 5 }],
    ['another connection than its own', { connection: 'else', parameters: { id: 1 } }],
    ['a missing parameter', { parameters: {} }],
    ['a wrong type', { parameters: { id: 'x' } }],
    ['an unknown parameter', { parameters: { id: 1, more: 2 } }],
    ['SQL from the step', { statement: 'drop table accounts', parameters: { id: 1 } }],
  ])('%s is InvalidConfig and nothing runs', async (_what, config) => {
    expect(codeOf(await run(config as Json))).toBe('InvalidConfig');
    expect(world.statements).toEqual([]);
  });

  it.each([
    ['refused', 'PermissionDenied'],
    ['aborted', 'Timeout'],
    ['unavailable', 'DatabaseUnavailable'],
    ['login', 'AuthenticationFailed'],
    ['denied', 'PermissionDenied'],
    ['constraint', 'ConstraintViolation'],
    ['serialization', 'SerializationFailure'],
    ['too_large', 'OutputTooLarge'],
    ['invalid', 'InvalidConfig'],
  ] as const)('%s is %s', async (reason, code) => {
    world.answerStatement = () => ({ ok: false, reason, message: 'why' });
    expect(await run({ parameters: { id: 1 } })).toEqual({
      ok: false,
      error: { code: `CloudFlow.${code}`, message: 'why' },
    });
  });
});
