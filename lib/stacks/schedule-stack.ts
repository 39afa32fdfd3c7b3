import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnEventInvokeConfig } from 'aws-cdk-lib/aws-lambda';
import { CfnSchedule, CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Duration } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { FunctionName } from '#config/functions.ts';
import { DEAD_TICKS } from '#config/queues.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { allow } from '#constructs/grants.ts';
import { LIVE, type ServiceFunction } from '#constructs/service-function.ts';
import { StageStack } from './stage-stack.ts';

/** Tries after the first, of the clock to hand a tick over and of Lambda to have it done. */
const RETRIES = 2;
/** AWS takes no less. */
const LEAST_AGE_SECONDS = 60;
/** Whoever looks at a job that failed should find it before its next one. */
const MOST_AGE_SECONDS = 3_600;
const DEAD_TICKS_KEPT = Duration.days(14);

/**
 * The clock: one schedule of EventBridge Scheduler for every `schedule` trigger of the registry, with a
 * role that may start that function and no other. A tick that is as old as its successor is dropped;
 * one that was dropped or has failed for good is found in one queue, which says whose it was.
 */
export class ScheduleStack extends StageStack {
  readonly deadTicks: Queue;

  constructor(
    scope: Construct,
    settings: StageSettings,
    programs: readonly ServiceFunction<FunctionName>[],
  ) {
    super(scope, 'Schedule', settings, 'the clock');
    this.deadTicks = new Queue(this, 'DeadTicks', {
      // Functions name it by this: they are made before it.
      queueName: `cloudflow-${settings.stage}-${DEAD_TICKS}`,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: DEAD_TICKS_KEPT,
    });
    acknowledge(
      this.deadTicks,
      'AwsSolutions-SQS3',
      'what comes here has been given up already; people look at it',
    );
    const group = new CfnScheduleGroup(this, 'Group', { name: `cloudflow-${settings.stage}` });
    for (const program of programs) {
      for (const trigger of program.spec.triggers) {
        if (trigger.kind === 'schedule') this.tick(group, program, trigger.everyMinutes);
      }
    }
  }

  private tick(
    group: CfnScheduleGroup,
    program: ServiceFunction<FunctionName>,
    everyMinutes: number,
  ): void {
    const { stage, region, account } = this.settings;
    const scope = new Construct(this, program.name);
    const name = `cloudflow-${stage}-${program.name}`;
    const maximumEventAgeInSeconds = Math.min(
      Math.max(everyMinutes * 60, LEAST_AGE_SECONDS),
      MOST_AGE_SECONDS,
    );
    const role = new Role(scope, 'Role', {
      description: `starts ${name} by the clock`,
      // The clock of another account, or of another group of ours, may not borrow it.
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': account },
          ArnEquals: {
            'aws:SourceArn': `arn:aws:scheduler:${region}:${account}:schedule-group/cloudflow-${stage}`,
          },
        },
      }),
    });
    allow(role, {
      sid: 'Invoke',
      actions: ['lambda:InvokeFunction'],
      resources: [program.live.functionArn],
    });
    allow(role, {
      sid: 'GiveUp',
      actions: ['sqs:SendMessage'],
      resources: [this.deadTicks.queueArn],
    });
    const schedule = new CfnSchedule(scope, 'Clock', {
      name,
      groupName: group.ref,
      description: program.spec.about,
      scheduleExpression: `rate(${everyMinutes} ${everyMinutes === 1 ? 'minute' : 'minutes'})`,
      flexibleTimeWindow: { mode: 'OFF' },
      target: {
        arn: program.live.functionArn,
        roleArn: role.roleArn,
        retryPolicy: { maximumRetryAttempts: RETRIES, maximumEventAgeInSeconds },
        deadLetterConfig: { arn: this.deadTicks.queueArn },
      },
    });
    // A schedule that ticks before its role may start anything spends its tries on it.
    schedule.node.addDependency(role);
    // The clock hands a tick over and is done; what becomes of it is between Lambda and the function.
    const given = new CfnEventInvokeConfig(scope, 'Given', {
      functionName: program.handler.functionName,
      qualifier: LIVE,
      maximumRetryAttempts: RETRIES,
      maximumEventAgeInSeconds,
      destinationConfig: { onFailure: { destination: this.deadTicks.queueArn } },
    });
    given.node.addDependency(program.live);
  }
}
