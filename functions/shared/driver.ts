import { SFNClient } from '@aws-sdk/client-sfn';
import { guarded } from '#adapters/aws/guarded.ts';
import type { MachineSettings } from '#adapters/stepfunctions/machines.ts';
import { createAwsStateMachines } from '#adapters/stepfunctions/state-machines.ts';
import { type ProgramEnv, readEnv } from '#config/env.ts';
import { createStepFunctionsDriver, type StepFunctionsDriver } from '#steps/runner/driver.ts';
import { type Basics, createBasics } from './process.ts';
import { connectSteps } from './steps.ts';

/** The driver of Step Functions in a function: one look at a time, so little of everything. */
export function connectDriver(name: 'step-functions-driver' | 'state-changed'): {
  readonly basics: Basics;
  readonly driver: StepFunctionsDriver;
  settled(): Promise<void>;
} {
  const env = readEnv(name, process.env);
  const basics = createBasics(name, env);
  const steps = connectSteps(basics, env, { evaluators: 1, connections: { app: 8, engine: 4 } });
  const { runner, work } = steps;
  const machines = createAwsStateMachines({
    client: guarded('states', new SFNClient({}), basics),
    programs: runner.programs,
    machineOf: async (tenant, executionId) => {
      const found = await runner.executions.getExecution(tenant, executionId);
      if (found === null) return null;
      return { tenant, programHash: found.programHash, continues: found.retryOf !== null };
    },
    settings: machineSettings(env),
  });
  return {
    basics,
    driver: createStepFunctionsDriver({ runner, machines, work, log: basics.log }),
    settled: () => steps.settled(),
  };
}

export function machineSettings(env: ProgramEnv<'collect-machines'>): MachineSettings {
  return {
    stepRunnerArn: env.STEP_RUNNER_ARN,
    roleArn: env.MACHINE_ROLE_ARN,
    logGroupArn: env.MACHINE_LOG_GROUP_ARN === '' ? null : env.MACHINE_LOG_GROUP_ARN,
    prefix: env.MACHINE_PREFIX,
  };
}
