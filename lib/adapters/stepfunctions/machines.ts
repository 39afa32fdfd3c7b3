/**
 * Machines of workflows: made when a program is first started, told apart by what is in them.
 *
 *  N1 a machine is named after tenant, program and whether it continues an earlier execution, so the name
 *     of an execution's machine is known from the execution alone, whatever compiler made it, and whoever
 *     starts it first makes the machine.
 *  N2 what the compiler of today writes is a version of it; the alias names the newest. An execution
 *     keeps the version it began with.
 *  N3 every call may be repeated and may race with another process's: both end with one machine.
 */
import { createHash } from 'node:crypto';
import {
  ConflictException,
  CreateStateMachineAliasCommand,
  CreateStateMachineCommand,
  type CreateStateMachineCommandInput,
  type SFNClient,
  StateMachineAlreadyExists,
  UpdateStateMachineAliasCommand,
  UpdateStateMachineCommand,
} from '@aws-sdk/client-sfn';
import { LRUCache } from 'lru-cache';
import { compileMachine } from '#core/asl/compile.ts';
import type { Programs } from '#ports/programs.ts';
import type { StartStateMachine } from '#ports/state-machines.ts';

export const ALIAS = 'live';
const KNOWN = 1_000;
const MAX_PREFIX = 32;

export interface MachineSettings {
  /** Of the function that every Task invokes; machines live in its region and account. */
  readonly stepRunnerArn: string;
  readonly roleArn: string;
  /** Null: machines log nowhere. */
  readonly logGroupArn: string | null;
  /** What names begin with: stage and installation. */
  readonly prefix: string;
}

/** Which machine an execution has. */
export type MachineKey = Pick<StartStateMachine, 'tenant' | 'programHash' | 'continues'>;

/** Names and ARNs of machines and their executions. */
export interface MachineNames {
  machineArn(key: MachineKey): string;
  executionArn(key: MachineKey, executionId: string): string;
}

export function createMachineNames(settings: MachineSettings): MachineNames {
  const { prefix, stepRunnerArn } = settings;
  if (prefix.length > MAX_PREFIX || !/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(prefix)) {
    throw new TypeError(
      `the prefix of machines is '${prefix}'; use up to ${MAX_PREFIX} letters, digits and hyphens`,
    );
  }
  const [arn, partition, lambda, region, account] = stepRunnerArn.split(':');
  if (arn !== 'arn' || lambda !== 'lambda' || !region || !account) {
    throw new TypeError(`the step runner is '${stepRunnerArn}'; use the ARN of a function`);
  }
  const states = `arn:${partition}:states:${region}:${account}`;
  const nameOf = ({ tenant, programHash, continues }: MachineKey): string => {
    const what = `${tenant}/${programHash}${continues ? '/continues' : ''}`;
    const hash = createHash('sha256').update(what).digest('hex');
    return `${prefix}-${hash.slice(0, 40)}`;
  };
  return {
    machineArn: (key) => `${states}:stateMachine:${nameOf(key)}`,
    executionArn: (key, id) => `${states}:execution:${nameOf(key)}:${id}`,
  };
}

export interface Machines {
  /** The alias to start; makes the machine and its newest version where they are missing. */
  ensure(request: StartStateMachine): Promise<string>;
  /** The machine is not there any more, whatever we remember. */
  forget(request: StartStateMachine): void;
}

export function createMachines(deps: {
  readonly client: SFNClient;
  readonly programs: Programs;
  readonly names: MachineNames;
  readonly settings: MachineSettings;
}): Machines {
  const { client, settings } = deps;
  const known = new LRUCache<string, string>({ max: KNOWN });
  const making = new Map<string, Promise<string>>();

  async function definitionOf(request: StartStateMachine): Promise<string> {
    const { tenant, programHash, continues } = request;
    const program = await deps.programs.find(tenant, programHash);
    if (program === null) throw new TypeError(`no program ${programHash}`);
    const compiled = compileMachine(program, { stepRunner: settings.stepRunnerArn, continues });
    if (!compiled.ok) {
      // Refused when the definition was stored: the version chose this runtime all the same.
      throw new TypeError(compiled.problems[0]?.message ?? 'the program has no machine');
    }
    return JSON.stringify(compiled.machine);
  }

  async function publish(machineArn: string, request: StartStateMachine): Promise<string> {
    const definition = await definitionOf(request);
    const shared = {
      definition,
      roleArn: settings.roleArn,
      publish: true,
      versionDescription: createHash('sha256').update(definition).digest('hex'),
      loggingConfiguration: logging(settings.logGroupArn),
      tracingConfiguration: { enabled: true },
    } as const;
    let versionArn: string | undefined;
    try {
      ({ stateMachineVersionArn: versionArn } = await client.send(
        new CreateStateMachineCommand({
          name: machineArn.slice(machineArn.lastIndexOf(':') + 1),
          type: 'STANDARD',
          ...shared,
          tags: [
            { key: 'cloudflow:tenant', value: request.tenant },
            { key: 'cloudflow:workflow', value: request.workflowId },
            { key: 'cloudflow:version', value: request.version },
            { key: 'cloudflow:program', value: request.programHash },
          ],
        }),
      ));
    } catch (error) {
      if (!(error instanceof StateMachineAlreadyExists)) throw error;
      // Made by another compiler: what it runs goes on, what starts now is ours.
      ({ stateMachineVersionArn: versionArn } = await client.send(
        new UpdateStateMachineCommand({ stateMachineArn: machineArn, ...shared }),
      ));
    }
    if (versionArn === undefined) throw new Error(`no version of ${machineArn} was published`);
    return point(machineArn, versionArn);
  }

  async function point(machineArn: string, stateMachineVersionArn: string): Promise<string> {
    const routingConfiguration = [{ stateMachineVersionArn, weight: 100 }];
    const stateMachineAliasArn = `${machineArn}:${ALIAS}`;
    try {
      await client.send(new CreateStateMachineAliasCommand({ name: ALIAS, routingConfiguration }));
    } catch (error) {
      if (!(error instanceof ConflictException)) throw error;
      await client.send(
        new UpdateStateMachineAliasCommand({ stateMachineAliasArn, routingConfiguration }),
      );
    }
    return stateMachineAliasArn;
  }

  return {
    async ensure(request) {
      const machineArn = deps.names.machineArn(request);
      const alias = known.get(machineArn);
      if (alias !== undefined) return alias;
      let under = making.get(machineArn);
      if (under === undefined) {
        under = publish(machineArn, request).finally(() => making.delete(machineArn));
        making.set(machineArn, under);
      }
      const made = await under;
      known.set(machineArn, made);
      return made;
    },
    forget(request) {
      known.delete(deps.names.machineArn(request));
    },
  };
}

/** Everything but what travels through: inputs and outputs belong to tenants. */
function logging(
  logGroupArn: string | null,
): CreateStateMachineCommandInput['loggingConfiguration'] {
  if (logGroupArn === null) return { level: 'OFF' };
  const cloudWatchLogsLogGroup = { logGroupArn };
  return {
    level: 'ALL',
    includeExecutionData: false,
    destinations: [{ cloudWatchLogsLogGroup }],
  };
}
