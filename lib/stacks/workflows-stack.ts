import { Rule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { ProgramEnv } from '#config/env.ts';
import type { FunctionName } from '#config/functions.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { actionsOf, allow, type Grant, reachable, sidOf } from '#constructs/grants.ts';
import { allowMachinesToTell } from '#constructs/machine-role.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { ApiStack } from './api-stack.ts';
import type { DataStack } from './data-stack.ts';
import type { Identity } from './identity.ts';
import { StageStack } from './stage-stack.ts';

interface WorkflowsStackProps {
  readonly around: Surroundings;
  readonly data: DataStack;
  readonly identity: Identity;
  readonly api: ApiStack;
}

/**
 * Workflows on Step Functions: the role and the log that every machine has, the function that does the
 * work of its tasks, and those that start machines, hear of their ends and delete them. The machines
 * themselves are made at run time, out of what tenants publish.
 */
export class WorkflowsStack extends StageStack {
  readonly machineRole: Role;
  readonly functions: {
    readonly [N in
      | 'step-runner'
      | 'step-functions-driver'
      | 'state-changed'
      | 'collect-machines']: ServiceFunction<N>;
  };

  constructor(
    scope: Construct,
    settings: StageSettings,
    { around, data, identity, api }: WorkflowsStackProps,
  ) {
    super(scope, 'Workflows', settings, 'workflows on Step Functions');
    const { stage } = settings;
    const prefix = machinePrefix(settings);

    const runner = runnerEnvironment(settings, { data, identity, api });
    const runnerGrants = { ...data.grants, ...identity.grants, 'egress:internet': reachable };
    const stepRunner = new ServiceFunction(this, 'StepRunner', {
      name: 'step-runner',
      around,
      environment: runner,
      grants: runnerGrants,
    });

    const machineLog = new LogGroup(this, 'MachineLog', {
      // Under this name Step Functions may write without growing a policy of ours.
      logGroupName: `/aws/vendedlogs/states/cloudflow-${stage}`,
      retention: settings.logDays,
      encryptionKey: around.logKey,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    this.machineRole = this.makeMachineRole(stepRunner);

    const machines = {
      STEP_RUNNER_ARN: stepRunner.live.functionArn,
      MACHINE_ROLE_ARN: this.machineRole.roleArn,
      MACHINE_LOG_GROUP_ARN: machineLog.logGroupArn,
      MACHINE_PREFIX: prefix,
    };
    const grants = { ...runnerGrants, ...this.machineGrants(prefix) };
    this.functions = {
      'step-runner': stepRunner,
      'step-functions-driver': new ServiceFunction(this, 'Driver', {
        name: 'step-functions-driver',
        around,
        environment: { ...runner, ...machines },
        grants,
      }),
      'state-changed': new ServiceFunction(this, 'StateChanged', {
        name: 'state-changed',
        around,
        environment: { ...runner, ...machines },
        grants,
      }),
      'collect-machines': new ServiceFunction(this, 'Collect', {
        name: 'collect-machines',
        around,
        environment: { STAGE: stage, ...machines },
        grants,
      }),
    };
    for (const program of Object.values(this.functions)) {
      for (const trigger of program.spec.triggers) {
        if (trigger.kind === 'queue') this.listen(program, data, trigger);
        if (trigger.kind === 'machine-status') this.hear(program, prefix, trigger.statuses);
      }
    }
  }

  /** What a machine may do: invoke the step runner, log and trace. */
  private makeMachineRole(stepRunner: ServiceFunction<'step-runner'>): Role {
    const { account, region } = this.settings;
    const role = new Role(this, 'MachineRole', {
      roleName: machineRoleName(this.settings),
      description: 'what machines of workflows run as',
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': account },
          ArnLike: { 'aws:SourceArn': `arn:aws:states:${region}:${account}:stateMachine:*` },
        },
      }),
    });
    allow(role, {
      sid: 'DoSteps',
      actions: ['lambda:InvokeFunction'],
      resources: [stepRunner.live.functionArn],
    });
    allowMachinesToTell(role);
    return role;
  }

  private machineGrants(prefix: string): {
    readonly [C in 'states:run' | 'states:answer' | 'states:register' | 'states:collect']: Grant;
  } {
    const { account, region } = this.settings;
    const states = `arn:aws:states:${region}:${account}`;
    const machines = `${states}:stateMachine:${prefix}-*`;
    const executions = `${states}:execution:${prefix}-*`;
    const star = 'machines of workflows are made at run time, under the prefix of the stage';
    return {
      'states:run': (role) =>
        allow(role, {
          sid: sidOf('states:run'),
          actions: actionsOf('states:run'),
          resources: [machines, executions],
          star,
        }),
      'states:answer': (role) =>
        allow(role, {
          sid: sidOf('states:answer'),
          actions: actionsOf('states:answer'),
          resources: [machines],
          star,
        }),
      'states:register': (role) => {
        allow(role, {
          sid: sidOf('states:register'),
          actions: actionsOf('states:register').filter((action) => action !== 'iam:PassRole'),
          resources: [machines],
          star,
        });
        allow(role, {
          sid: 'HandMachineRole',
          actions: actionsOf('states:register').filter((action) => action === 'iam:PassRole'),
          resources: [this.machineRole.roleArn],
          conditions: { StringEquals: { 'iam:PassedToService': 'states.amazonaws.com' } },
        });
      },
      'states:collect': (role) => {
        allow(role, {
          sid: sidOf('states:collect'),
          actions: actionsOf('states:collect').filter((action) => action !== LIST_MACHINES),
          resources: [machines],
          star,
        });
        allow(role, {
          sid: 'ListMachines',
          actions: actionsOf('states:collect').filter((action) => action === LIST_MACHINES),
          resources: ['*'],
          star: 'the list of machines knows no resource that it could be narrowed to',
        });
      },
    };
  }

  private listen(
    { role, live }: ServiceFunction<FunctionName>,
    { queues }: DataStack,
    trigger: {
      readonly queue: keyof DataStack['queues'];
      readonly batchSize: number;
      readonly maxConcurrency: number;
    },
  ): void {
    const queue = queues[trigger.queue];
    allow(role, {
      sid: 'Listen',
      actions: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'],
      resources: [queue.queueArn],
    });
    live.addEventSource(
      new SqsEventSource(queue, {
        batchSize: trigger.batchSize,
        // More than ten at once are only gathered in a window.
        ...(trigger.batchSize > 10 ? { maxBatchingWindow: Duration.seconds(1) } : {}),
        maxConcurrency: trigger.maxConcurrency,
      }),
    );
  }

  private hear(
    program: ServiceFunction<FunctionName>,
    prefix: string,
    statuses: readonly string[],
  ): void {
    const { account, region } = this.settings;
    new Rule(this, 'MachineEnded', {
      ruleName: `cloudflow-${this.settings.stage}-machine-ended`,
      description: program.spec.about,
      eventPattern: {
        source: ['aws.states'],
        detailType: ['Step Functions Execution Status Change'],
        detail: {
          status: [...statuses],
          stateMachineArn: [
            { prefix: `arn:aws:states:${region}:${account}:stateMachine:${prefix}-` },
          ],
        },
      },
      targets: [
        // What is lost here is found by the driver, which compares what runs with what has ended.
        new LambdaTarget(program.live, { retryAttempts: 3, maxEventAge: Duration.hours(1) }),
      ],
    });
  }
}

const LIST_MACHINES = 'states:ListStateMachines';

/** Roles are of an account, not of a region, so that of a lost one goes on having its name. */
function machineRoleName({ stage, region, takesOver }: StageSettings): string {
  const own = `cloudflow-${stage}-machines`;
  return takesOver === null ? own : `${own}-${region}`;
}

/** What names of machines of a stage begin with. */
export function machinePrefix({ stage }: StageSettings): string {
  return `cloudflow-${stage}`;
}

/** What every program is told that does the work of steps. */
export function runnerEnvironment(
  settings: StageSettings,
  { data, identity, api }: Pick<WorkflowsStackProps, 'data' | 'identity' | 'api'>,
): ProgramEnv<'step-runner'> {
  return {
    STAGE: settings.stage,
    DATABASE_URL: data.databaseUrl,
    DATABASE_AUTH: 'iam',
    PUBLIC_URL: api.publicUrl,
    TENANT_SECRETS_PREFIX: identity.tenantSecretsPrefix,
    TENANT_SECRETS_KEY: identity.dataKey.keyArn,
    TENANT_SECRETS_COPY: identity.tenantSecretsCopy,
    EGRESS_ALLOW: '',
    EGRESS_PORTS: '',
    NUDGES_QUEUE_URL: data.queues['step-functions-nudges'].queueUrl,
  };
}
