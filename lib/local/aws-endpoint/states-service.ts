/**
 * Step Functions' API over our interpreter of the States Language: machines, versions and aliases in
 * memory, executions in the interpreter. An emulation, see server.ts: names of operations, members and
 * errors are AWS's; quotas, logging and roles are not looked at.
 *
 *  S1 an execution runs the version that its alias named when it began.
 *  S2 repeated creations are one machine when the definition is the same, and refused when it is not,
 *     as AWS documents its idempotency.
 */
import { isJsonObject, type Json, type JsonObject } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import { executionArnOf, machineNameOf } from '../asl/arns.ts';
import { parseMachine } from '../asl/parse-machine.ts';
import type {
  Definitions,
  ExecutionDescription,
  StateMachineRuntime,
  TokenResult,
} from '../asl/runtime.ts';
import { AwsError, optionalText, type Service, textOf } from './server.ts';

/** Target of Step Functions' requests. */
export const STATES = 'AWSStepFunctions';

interface Version {
  readonly arn: string;
  readonly definition: string;
  readonly description: string | null;
}

interface Machine {
  readonly arn: string;
  readonly name: string;
  readonly created: number;
  readonly tags: Readonly<Record<string, string>>;
  definition: string;
  readonly versions: Version[];
  /** ARN of the version that it names, by alias. */
  readonly aliases: Map<string, string>;
  readonly executions: string[];
}

export interface MachineRegistry {
  readonly service: (runtime: StateMachineRuntime) => Service;
  /** For the interpreter: what a version's ARN means never changes. */
  readonly definitions: Definitions;
  /** Tags of a machine, by name; null: there is no such machine. */
  tags(machineName: string): Readonly<Record<string, string>> | null;
}

/** The region and account of machines are those of `arnPrefix`, such as `arn:aws:states:eu:1`. */
export function createMachineRegistry(options: {
  readonly clock: Clock;
  readonly arnPrefix: string;
  /** Whose work an execution is, for the interpreter, by the tags of its machine. */
  readonly tenantOf: (tags: Readonly<Record<string, string>>) => string;
}): MachineRegistry {
  const machines = new Map<string, Machine>();
  const definitions = new Map<string, JsonObject>();
  const clock = options.clock;
  const now = (): number => clock.now() / 1_000;

  function find(arn: string): Machine {
    const machine = machines.get(machineNameOf(arn));
    if (machine === undefined) {
      throw new AwsError('StateMachineDoesNotExist', `there is no state machine '${arn}'`);
    }
    return machine;
  }

  function publish(machine: Machine, description: string | null): string {
    const last = machine.versions.at(-1);
    // Publishing what is published already is the same version.
    if (last?.definition === machine.definition) return last.arn;
    const arn = `${machine.arn}:${machine.versions.length + 1}`;
    machine.versions.push({ arn, definition: machine.definition, description });
    definitions.set(arn, JSON.parse(machine.definition) as JsonObject);
    return arn;
  }

  /** ARN of the version that an ARN of machine, version or alias means now. */
  function resolve(arn: string): string {
    const machine = find(arn);
    const qualifier = arn.split(':')[7];
    if (qualifier === undefined) return publish(machine, null);
    const named = machine.aliases.get(qualifier) ?? arn;
    if (!definitions.has(named)) {
      throw new AwsError('StateMachineDoesNotExist', `there is no state machine '${arn}'`);
    }
    return named;
  }

  function checked(definition: string): string {
    let value: Json;
    try {
      value = JSON.parse(definition) as Json;
    } catch {
      throw new AwsError('InvalidDefinition', 'the definition is not JSON');
    }
    const parsed = parseMachine(value);
    if (parsed.ok) return definition;
    const problems = parsed.problems.map(({ message, pointer }) => `${pointer}: ${message}`);
    throw new AwsError('InvalidDefinition', problems.join('; '));
  }

  function create(input: JsonObject): Machine {
    const name = textOf(input, 'name');
    if (!/^[A-Za-z0-9_-]{1,80}$/.test(name)) {
      throw new AwsError('InvalidName', `'${name}' is not a name of a state machine`);
    }
    const definition = checked(textOf(input, 'definition'));
    const known = machines.get(name);
    if (known !== undefined) {
      if (known.definition === definition) return known;
      const message = `the state machine '${name}' exists with another definition`;
      throw new AwsError('StateMachineAlreadyExists', message);
    }
    const machine: Machine = {
      arn: `${options.arnPrefix}:stateMachine:${name}`,
      name,
      created: now(),
      tags: tagsOf(input['tags']),
      definition,
      versions: [],
      aliases: new Map(),
      executions: [],
    };
    machines.set(name, machine);
    return machine;
  }

  function route(input: JsonObject): { machine: Machine; version: string } {
    const routes = Array.isArray(input['routingConfiguration'])
      ? input['routingConfiguration']
      : [];
    const [only] = routes;
    if (routes.length !== 1 || !isJsonObject(only) || only['weight'] !== 100) {
      throw new AwsError('ValidationException', 'one version with weight 100 is emulated here');
    }
    const version = textOf(only, 'stateMachineVersionArn');
    const machine = find(version);
    if (!machine.versions.some(({ arn }) => arn === version)) {
      throw new AwsError('ResourceNotFound', `there is no version '${version}'`);
    }
    return { machine, version };
  }

  const registry: Service = {
    CreateStateMachine(input) {
      const machine = create(input);
      const stateMachineVersionArn =
        input['publish'] === true
          ? publish(machine, optionalText(input, 'versionDescription'))
          : null;
      return {
        stateMachineArn: machine.arn,
        creationDate: machine.created,
        ...(stateMachineVersionArn === null ? {} : { stateMachineVersionArn }),
      };
    },
    UpdateStateMachine(input) {
      const machine = find(textOf(input, 'stateMachineArn'));
      machine.definition = checked(textOf(input, 'definition'));
      const stateMachineVersionArn =
        input['publish'] === true
          ? publish(machine, optionalText(input, 'versionDescription'))
          : null;
      return {
        updateDate: now(),
        ...(stateMachineVersionArn === null ? {} : { stateMachineVersionArn }),
      };
    },
    CreateStateMachineAlias(input) {
      const { machine, version } = route(input);
      const name = textOf(input, 'name');
      const there = machine.aliases.get(name);
      if (there !== undefined && there !== version) {
        throw new AwsError('ConflictException', `the alias '${name}' names another version`);
      }
      machine.aliases.set(name, version);
      return { stateMachineAliasArn: `${machine.arn}:${name}`, creationDate: now() };
    },
    UpdateStateMachineAlias(input) {
      const { machine, version } = route(input);
      const name = textOf(input, 'stateMachineAliasArn').split(':')[7] ?? '';
      if (!machine.aliases.has(name)) {
        throw new AwsError('ResourceNotFound', `there is no alias '${name}'`);
      }
      machine.aliases.set(name, version);
      return { updateDate: now() };
    },
    DescribeStateMachine(input) {
      const machine = find(textOf(input, 'stateMachineArn'));
      const { arn, name, definition, created } = machine;
      return {
        ...{ stateMachineArn: arn, name, definition, status: 'ACTIVE', type: 'STANDARD' },
        ...{ roleArn: 'arn:aws:iam::000000000000:role/local', creationDate: created },
      };
    },
    ListTagsForResource(input) {
      const { tags } = find(textOf(input, 'resourceArn'));
      return { tags: Object.entries(tags).map(([key, value]) => ({ key, value })) };
    },
    ListStateMachines(input) {
      const from = Number(optionalText(input, 'nextToken') ?? 0);
      const size = Number(input['maxResults'] ?? 100);
      const all = [...machines.values()];
      return {
        stateMachines: all.slice(from, from + size).map(({ arn, name, created }) => ({
          ...{ stateMachineArn: arn, name, type: 'STANDARD', creationDate: created },
        })),
        ...(from + size < all.length ? { nextToken: String(from + size) } : {}),
      };
    },
    DeleteStateMachine(input) {
      // Deleting what is not there is harmless.
      machines.delete(machineNameOf(textOf(input, 'stateMachineArn')));
      return {};
    },
  };

  return {
    definitions: { load: (arn) => Promise.resolve(definitions.get(arn) ?? null) },
    tags: (name) => machines.get(name)?.tags ?? null,
    service: (runtime) => ({ ...registry, ...executionsOf(runtime) }),
  };

  function executionsOf(runtime: StateMachineRuntime): Service {
    const describe = async (arn: string): Promise<ExecutionDescription> => {
      const found = await runtime.describeExecution(arn);
      if (found === null) {
        throw new AwsError('ExecutionDoesNotExist', `there is no execution '${arn}'`);
      }
      return found;
    };
    const answered = (result: TokenResult): Json => {
      if (!result.ok) throw new AwsError(result.error, 'the task has ended or never was');
      return {};
    };
    return {
      async StartExecution(input) {
        const machine = find(textOf(input, 'stateMachineArn'));
        const started = await runtime.startExecution({
          tenant: options.tenantOf(machine.tags),
          stateMachineArn: resolve(textOf(input, 'stateMachineArn')),
          name: textOf(input, 'name'),
          input: jsonOf(input, 'input', 'InvalidExecutionInput'),
        });
        if (!started.ok) throw new AwsError(started.error, started.message);
        const arn = executionArnOf(machine.arn, textOf(input, 'name'));
        if (!machine.executions.includes(arn)) machine.executions.push(arn);
        return { executionArn: arn, startDate: started.startDate / 1_000 };
      },
      async StopExecution(input) {
        const arn = textOf(input, 'executionArn');
        await describe(arn);
        await runtime.stopExecution(
          arn,
          optionalText(input, 'error'),
          optionalText(input, 'cause'),
        );
        return { stopDate: now() };
      },
      async DescribeExecution(input) {
        return shown(await describe(textOf(input, 'executionArn')));
      },
      async GetExecutionHistory(input) {
        const arn = textOf(input, 'executionArn');
        await describe(arn);
        const all = (await runtime.getExecutionHistory(arn)) ?? [];
        const from = Number(optionalText(input, 'nextToken') ?? 0);
        const size = Number(input['maxResults'] ?? 100);
        const events = all.slice(from, from + size).map((event) => ({
          ...(event as unknown as JsonObject),
          timestamp: Date.parse(event.timestamp) / 1_000,
        }));
        return { events, ...(from + size < all.length ? { nextToken: String(from + size) } : {}) };
      },
      async ListExecutions(input) {
        const { executions, arn } = find(textOf(input, 'stateMachineArn'));
        const wanted = optionalText(input, 'statusFilter');
        const found: Json[] = [];
        for (const each of executions.toReversed()) {
          const description = await describe(each);
          if (wanted !== null && description.status !== wanted) continue;
          const { name, status, startDate } = description;
          found.push({
            ...{ executionArn: each, stateMachineArn: arn, name, status },
            startDate: startDate / 1_000,
          });
          if (found.length === Number(input['maxResults'] ?? 100)) break;
        }
        return { executions: found };
      },
      async SendTaskSuccess(input) {
        const output = jsonOf(input, 'output', 'InvalidOutput');
        return answered(await runtime.sendTaskSuccess(textOf(input, 'taskToken'), output));
      },
      async SendTaskFailure(input) {
        const error = optionalText(input, 'error') ?? '';
        const cause = optionalText(input, 'cause') ?? '';
        return answered(await runtime.sendTaskFailure(textOf(input, 'taskToken'), error, cause));
      },
      async SendTaskHeartbeat(input) {
        return answered(await runtime.sendTaskHeartbeat(textOf(input, 'taskToken')));
      },
    };
  }
}

function shown(found: ExecutionDescription): JsonObject {
  const { executionArn, stateMachineArn, name, status, startDate, stopDate } = found;
  return {
    ...{ executionArn, stateMachineArn, name, status, startDate: startDate / 1_000 },
    input: JSON.stringify(found.input),
    ...(stopDate === null ? {} : { stopDate: stopDate / 1_000 }),
    ...(found.output === null ? {} : { output: JSON.stringify(found.output) }),
    ...(found.error === null ? {} : { error: found.error }),
    ...(found.cause === null ? {} : { cause: found.cause }),
  };
}

function jsonOf(input: JsonObject, name: string, error: string): Json {
  try {
    return JSON.parse(optionalText(input, name) ?? '{}') as Json;
  } catch {
    throw new AwsError(error, `'${name}' is not JSON`);
  }
}

function tagsOf(tags: Json | undefined): Record<string, string> {
  if (!Array.isArray(tags)) return {};
  return Object.fromEntries(
    tags.filter(isJsonObject).map((tag) => [textOf(tag, 'key'), textOf(tag, 'value')]),
  );
}
