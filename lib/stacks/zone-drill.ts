import { CfnExperimentTemplate } from 'aws-cdk-lib/aws-fis';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { CfnSchedule } from 'aws-cdk-lib/aws-scheduler';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { DRILLS } from '#config/recovery.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { allow } from '#constructs/grants.ts';
import type { RecoveryStore } from '#constructs/recovery-store.ts';
import type { Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';

interface ZoneDrillProps {
  readonly around: Surroundings;
  readonly data: DataStack;
  readonly store: RecoveryStore;
  /** Of schedules: its name. */
  readonly group: string;
  readonly clock: Role;
}

/** Long enough for everything to have moved away; AWS lets it end by itself. */
const CUT_OFF = 'PT10M';
/** Callers notice: somebody is woken, and the rehearsal ends. */
const STOPPED_BY = 'api-errors';
const POLICIES = [
  'AWSFaultInjectionSimulatorNetworkAccess',
  'AWSFaultInjectionSimulatorRDSAccess',
] as const;

/**
 * Rehearsals by the clock: every month one zone is cut off and its database fails over, and an alarm ends
 * it when callers notice more than they should; every quarter and every year people are called.
 */
export class ZoneDrill extends Construct {
  constructor(scope: Construct, id: string, props: ZoneDrillProps) {
    super(scope, id);
    const { around, data, store, group, clock } = props;
    const { settings } = around;
    const { stage, account, region, zones } = settings;
    // The last one: the first has the most that is made once.
    const zone = zones.at(-1) ?? '';

    const log = new LogGroup(this, 'Log', {
      logGroupName: `/aws/vendedlogs/fis/cloudflow-${stage}`,
      retention: settings.logDays,
      encryptionKey: around.logKey,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const template = new CfnExperimentTemplate(this, 'Zone', {
      description: `CloudFlow ${stage}: ${DRILLS.zone.about}`,
      roleArn: this.role(account).roleArn,
      targets: {
        subnets: {
          resourceType: 'aws:ec2:subnet',
          parameters: { availabilityZoneIdentifier: zone, vpc: around.vpc.vpcId },
          selectionMode: 'ALL',
        },
        database: {
          resourceType: 'aws:rds:cluster',
          resourceArns: [
            `arn:aws:rds:${region}:${account}:cluster:${data.cluster.clusterIdentifier}`,
          ],
          // Only where its writer stands in that zone: else there is nothing to fail over.
          parameters: { writerAvailabilityZoneIdentifiers: zone },
          selectionMode: 'ALL',
        },
      },
      actions: {
        cutOff: {
          actionId: 'aws:network:disrupt-connectivity',
          parameters: { duration: CUT_OFF, scope: 'all' },
          targets: { Subnets: 'subnets' },
        },
        failOver: {
          actionId: 'aws:rds:failover-db-cluster',
          targets: { Clusters: 'database' },
        },
      },
      stopConditions: [
        {
          source: 'aws:cloudwatch:alarm',
          value: `arn:aws:cloudwatch:${region}:${account}:alarm:cloudflow-${stage}-${STOPPED_BY}`,
        },
      ],
      experimentOptions: { accountTargeting: 'single-account', emptyTargetResolutionMode: 'skip' },
      logConfiguration: {
        logSchemaVersion: 2,
        cloudWatchLogsConfiguration: { LogGroupArn: log.logGroupArn },
      },
      tags: { Name: `cloudflow-${stage}-zone` },
    });

    allow(clock, {
      sid: 'RehearseZone',
      actions: ['fis:StartExperiment'],
      resources: [
        `arn:aws:fis:${region}:${account}:experiment-template/${template.ref}`,
        `arn:aws:fis:${region}:${account}:experiment/*`,
      ],
      star: 'an experiment is named by AWS when it begins',
    });
    // The first experiment of an account makes the role that FIS itself needs, in the name of who starts it.
    allow(clock, {
      sid: 'FirstRehearsal',
      actions: ['iam:CreateServiceLinkedRole'],
      resources: [`arn:aws:iam::${account}:role/aws-service-role/fis.amazonaws.com/*`],
      conditions: { StringEquals: { 'iam:AWSServiceName': 'fis.amazonaws.com' } },
      star: 'its name is AWS’s own',
    });
    allow(clock, {
      sid: 'CallPeople',
      actions: ['sns:Publish'],
      resources: [store.topic.topicArn],
    });
    allow(clock, {
      sid: 'SealCalls',
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: [store.key.keyArn],
      conditions: { StringEquals: { 'kms:ViaService': `sns.${region}.amazonaws.com` } },
    });

    const call = (name: keyof typeof DRILLS, api: string, input: object): void => {
      const schedule = new CfnSchedule(this, `${name}-clock`, {
        name: `platform-${stage}-drill-${name}`,
        groupName: group,
        description: DRILLS[name].about,
        scheduleExpression: DRILLS[name].schedule,
        scheduleExpressionTimezone: 'UTC',
        flexibleTimeWindow: { mode: 'OFF' },
        target: {
          arn: `arn:aws:scheduler:::aws-sdk:${api}`,
          roleArn: clock.roleArn,
          input: JSON.stringify(input),
          retryPolicy: { maximumRetryAttempts: 2, maximumEventAgeInSeconds: 600 },
        },
      });
      schedule.node.addDependency(clock);
    };
    call('zone', 'fis:startExperiment', {
      // The same for this call and its repetitions, so that they are one experiment. FIS asks for it, and
      // Scheduler fills in the time.
      ClientToken: `cloudflow-${stage}-<aws.scheduler.scheduled-time>`,
      ExperimentTemplateId: template.ref,
    });
    for (const name of ['region', 'complete'] as const) {
      call(name, 'sns:publish', {
        TopicArn: store.topic.topicArn,
        Subject: `CloudFlow ${stage}: it is time for a rehearsal`,
        Message: `${DRILLS[name].about}: see ${DRILLS[name].runbook}, and write what it took with: npx cloudflow drill timeline.json`,
      });
    }
  }

  private role(account: string): Role {
    const role = new Role(this, 'Role', {
      description: 'cuts a zone off, and lets the database fail over',
      assumedBy: new ServicePrincipal('fis.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
      managedPolicies: POLICIES.map((name) =>
        ManagedPolicy.fromAwsManagedPolicyName(`service-role/${name}`),
      ),
    });
    for (const name of POLICIES) {
      acknowledge(
        role,
        `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/${name}]`,
        'AWS keeps what its own faults need; a copy of it would fall behind',
      );
    }
    allow(role, {
      sid: 'Log',
      actions: [
        'logs:CreateLogDelivery',
        'logs:PutResourcePolicy',
        'logs:DescribeResourcePolicies',
        'logs:DescribeLogGroups',
      ],
      resources: ['*'],
      star: 'deliveries of logs know no resource that these actions could be narrowed to',
    });
    return role;
  }
}
