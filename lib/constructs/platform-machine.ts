import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import {
  DefinitionBody,
  LogLevel,
  StateMachine,
  StateMachineType,
} from 'aws-cdk-lib/aws-stepfunctions';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { FunctionName } from '#config/functions.ts';
import {
  PLATFORM_WORKFLOWS,
  type PlatformWorkflow,
  type PlatformWorkflowName,
  platformMachineArn,
  platformMachineName,
  platformWorkflowsIn,
} from '#config/platform-workflows.ts';
import { compileMachine } from '#core/asl/compile.ts';
import { platformProgram } from '#statemachines/platform.ts';
import { allow } from './grants.ts';
import { allowMachinesToTell } from './machine-role.ts';
import type { ServiceFunction, Surroundings } from './service-function.ts';

interface PlatformMachinesProps {
  readonly around: Surroundings;
  readonly runsIn: PlatformWorkflow['runsIn'];
  /** Does their tasks. */
  readonly runner: ServiceFunction<FunctionName>;
  /** Of schedules: its name. */
  readonly group: string;
  /** Starts them by the clock. */
  readonly clock: Role;
  /** Whether the clock starts what rehearses disasters. */
  readonly rehearses: boolean;
}

/**
 * The platform's own workflows of one region: compiled here, at synth, so that a definition that is
 * wrong is never deployed.
 */
export class PlatformMachines extends Construct {
  readonly machines: ReadonlyMap<PlatformWorkflowName, StateMachine>;

  constructor(scope: Construct, id: string, props: PlatformMachinesProps) {
    super(scope, id);
    const { around, runner } = props;
    const { stage, account, region, logDays, retain, takesOver } = around.settings;
    // Under this name Step Functions may write without growing a policy of ours.
    const logGroupName = `/aws/vendedlogs/states/platform-${stage}`;
    const log =
      takesOver === null
        ? new LogGroup(this, 'Log', {
            logGroupName,
            retention: logDays,
            encryptionKey: around.logKey,
            removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
          })
        : LogGroup.fromLogGroupName(this, 'Log', logGroupName);
    const role = new Role(this, 'Role', {
      description: 'what machines of the platform itself run as',
      assumedBy: new ServicePrincipal('states.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': account },
          ArnLike: {
            'aws:SourceArn': platformMachineArn({ stage, region, account }, '*'),
          },
        },
      }),
    });
    allow(role, {
      sid: 'DoSteps',
      actions: ['lambda:InvokeFunction'],
      resources: [runner.live.functionArn],
    });
    allowMachinesToTell(role);

    const own = platformWorkflowsIn(props.runsIn);
    this.machines = new Map(
      own.map((name) => {
        const machine = new StateMachine(this, name, {
          stateMachineName: platformMachineName(stage, name),
          stateMachineType: StateMachineType.STANDARD,
          comment: PLATFORM_WORKFLOWS[name].about,
          definitionBody: DefinitionBody.fromString(definitionOf(name)),
          definitionSubstitutions: { StepRunner: runner.live.functionArn },
          role: role.withoutPolicyUpdates(),
          tracingEnabled: true,
          logs: { destination: log, level: LogLevel.ALL, includeExecutionData: false },
          removalPolicy: RemovalPolicy.DESTROY,
        });
        machine.node.addDependency(role);
        this.schedule(name, machine, props);
        return [name, machine] as const;
      }),
    );
    allow(props.clock, {
      sid: 'StartMachines',
      actions: ['states:StartExecution'],
      resources: own.map((name) => platformMachineArn({ stage, region, account }, name)),
    });
  }

  private schedule(
    name: PlatformWorkflowName,
    machine: StateMachine,
    { around, group, clock, rehearses }: PlatformMachinesProps,
  ): void {
    const workflow: PlatformWorkflow = PLATFORM_WORKFLOWS[name];
    const { schedule } = workflow;
    if (schedule === null || (workflow.rehearsal && !rehearses)) return;
    const made = new CfnSchedule(this, `${name}-clock`, {
      name: platformMachineName(around.settings.stage, name),
      groupName: group,
      description: workflow.about,
      scheduleExpression: schedule.expression,
      scheduleExpressionTimezone: 'UTC',
      flexibleTimeWindow: { mode: 'OFF' },
      target: {
        arn: machine.stateMachineArn,
        roleArn: clock.roleArn,
        input: JSON.stringify(schedule.input),
        retryPolicy: { maximumRetryAttempts: 5, maximumEventAgeInSeconds: 3_600 },
      },
    });
    made.node.addDependency(clock);
  }
}

/** Throws a sentence when Step Functions cannot run it. */
function definitionOf(name: PlatformWorkflowName): string {
  const compiled = compileMachine(platformProgram(name), { unaccepted: true });
  if (compiled.ok) return JSON.stringify(compiled.machine);
  const said = compiled.problems.map(({ code, message }) => `${code}: ${message}`).join('; ');
  throw new TypeError(`statemachines/${name}.json makes no machine: ${said}`);
}
