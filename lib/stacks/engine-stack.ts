import { copyFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import { SubnetType } from 'aws-cdk-lib/aws-ec2';
import { Platform } from 'aws-cdk-lib/aws-ecr-assets';
import {
  AvailabilityZoneRebalancing,
  Cluster,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  LogDriver,
  OperatingSystemFamily,
} from 'aws-cdk-lib/aws-ecs';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Duration, RemovalPolicy, Stage } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { engineScaling, SCALING_COOLDOWN } from '#config/engine-scaling.ts';
import { CONTAINERS, type ContainerName, engineOf } from '#config/functions.ts';
import type { Series, Signal } from '#config/signals.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { allow, grantAll, reachable } from '#constructs/grants.ts';
import { bundleFolder, type Surroundings } from '#constructs/service-function.ts';
import type { ApiStack } from './api-stack.ts';
import type { DataStack } from './data-stack.ts';
import type { EventsStack } from './events-stack.ts';
import type { Identity } from './identity.ts';
import type { NotificationsStack } from './notifications-stack.ts';
import { StageStack } from './stage-stack.ts';
import { runnerEnvironment } from './workflows-stack.ts';

const HEALTH_PORT = 8_080;
/** The agent that AWS goes on with; its daemon of X-Ray alone is only mended since February 2026. */
const TRACE_AGENT = 'public.ecr.aws/cloudwatch-agent/cloudwatch-agent:1.300072.0b1766';
const TRACE_SETTINGS = {
  traces: { traces_collected: { xray: { bind_address: '127.0.0.1:2000' } } },
} as const;

interface EngineStackProps {
  readonly around: Surroundings;
  readonly data: DataStack;
  readonly identity: Identity;
  readonly api: ApiStack;
  /** Null: the stage has no Kafka. */
  readonly events: EventsStack | null;
  readonly notifications: NotificationsStack;
}

/** The hot path: the engine as a Fargate service that nobody calls; it takes its work by itself. */
export class EngineStack extends StageStack {
  constructor(
    scope: Construct,
    settings: StageSettings,
    { around, data, identity, api, events, notifications }: EngineStackProps,
  ) {
    super(scope, 'Engine', settings, 'the engine');
    const { stage, engine } = settings;
    const name = `cloudflow-${stage}-engine`;
    const program = engineOf(settings);

    const log = new LogGroup(this, 'Log', {
      logGroupName: `/cloudflow/${stage}/engine`,
      retention: settings.logDays,
      encryptionKey: around.logKey,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const taskRole = new Role(this, 'TaskRole', {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com'),
      description: `${name}: ${CONTAINERS[program].about}`,
    });
    const grants = { ...data.grants, ...identity.grants, 'egress:internet': reachable };
    if (events === null) {
      grantAll('engine-and-readers', taskRole, { ...grants, ...notifications.grants });
    } else grantAll('engine', taskRole, { ...grants, ...events.grants });

    const task = new FargateTaskDefinition(this, 'Task', {
      family: name,
      cpu: engine.cpu,
      memoryLimitMiB: engine.memoryMb,
      runtimePlatform: {
        cpuArchitecture: CpuArchitecture.ARM64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
      taskRole,
    });
    task.addContainer('Engine', {
      image: ContainerImage.fromAsset(this.imageFolder(around.dist, program), {
        platform: Platform.LINUX_ARM64,
      }),
      environment: {
        ...runnerEnvironment(settings, { data, identity, api }),
        HEALTH_PORT: String(HEALTH_PORT),
        ...(events === null
          ? { CACHE_URL: data.cacheUrl, CACHE_AUTH: 'iam', ...notifications.told }
          : { KAFKA_CLUSTER_ARN: events.clusterArn }),
      },
      logging: LogDriver.awsLogs({ logGroup: log, streamPrefix: 'engine' }),
      readonlyRootFilesystem: true,
      // As the image says too: nobody's mistake in it makes it root.
      user: 'node',
      stopTimeout: Duration.seconds(CONTAINERS[program].stopSeconds),
      healthCheck: {
        command: [
          'CMD',
          'node',
          '-e',
          `fetch('http://127.0.0.1:${HEALTH_PORT}/healthz').then((r)=>process.exit(r.ok?0:1),()=>process.exit(1))`,
        ],
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        retries: 3,
        startPeriod: Duration.seconds(60),
      },
    });
    // Takes what the engine tells of traces on its loopback, and tells X-Ray: not needed to go on.
    task.addContainer('Traces', {
      image: ContainerImage.fromRegistry(TRACE_AGENT),
      essential: false,
      // Nobody replaces a task for it, so it is started again where it is.
      enableRestartPolicy: true,
      environment: { CW_CONFIG_CONTENT: JSON.stringify(TRACE_SETTINGS) },
      logging: LogDriver.awsLogs({ logGroup: log, streamPrefix: 'traces' }),
      memoryLimitMiB: 256,
    });
    allow(taskRole, {
      sid: 'Trace',
      actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
      resources: ['*'],
      star: 'X-Ray knows no resource that these actions could be narrowed to',
    });
    acknowledge(
      task,
      'AwsSolutions-ECS2',
      'variables hold names and addresses; secrets are read from Secrets Manager by the program',
    );
    acknowledge(
      task,
      'AwsSolutions-IAM5[Resource::*]',
      'the token that pulls images from ECR knows no resource that it could be narrowed to',
    );

    const cluster = new Cluster(this, 'Cluster', {
      clusterName: `cloudflow-${stage}`,
      vpc: around.vpc,
      containerInsightsV2: ContainerInsights.ENABLED,
      enableFargateCapacityProviders: true,
    });
    const service = new FargateService(this, 'Service', {
      serviceName: name,
      cluster,
      taskDefinition: task,
      // How many there are is said by the scaling alone: a deployment would set it back.
      capacityProviderStrategies: [
        { capacityProvider: engine.spot ? 'FARGATE_SPOT' : 'FARGATE', weight: 1 },
      ],
      vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
      securityGroups: [around.outsideGroup],
      assignPublicIp: false,
      circuitBreaker: { rollback: true },
      // An execution is taken over within seconds, so new tasks stand before old ones drain.
      minHealthyPercent: 100,
      maxHealthyPercent: 200,
      availabilityZoneRebalancing: AvailabilityZoneRebalancing.ENABLED,
      enableECSManagedTags: true,
    });
    // And on what tells the cluster its capacity providers: a service that names one before that is refused,
    // and they are not taken from a cluster whose services still name them.
    service.node.addDependency(cluster);
    this.scale(service, name);
  }

  /** Policies of CloudFormation itself: CDK's construct tracks no arithmetic over metrics. */
  private scale(service: FargateService, name: string): void {
    const { stage, engine } = this.settings;
    const target = new CfnScalableTarget(this, 'Tasks', {
      serviceNamespace: 'ecs',
      scalableDimension: 'ecs:service:DesiredCount',
      resourceId: `service/${service.cluster.clusterName}/${service.serviceName}`,
      minCapacity: engine.minTasks,
      maxCapacity: engine.maxTasks,
    });
    for (const goal of engineScaling(stage)) {
      new CfnScalingPolicy(this, `Scale-${goal.name}`, {
        policyName: `${name}-${goal.name}`,
        policyType: 'TargetTrackingScaling',
        scalingTargetId: target.ref,
        targetTrackingScalingPolicyConfiguration: {
          targetValue: goal.target,
          scaleOutCooldown: SCALING_COOLDOWN.outSeconds,
          scaleInCooldown: SCALING_COOLDOWN.inSeconds,
          customizedMetricSpecification: trackedMetric(goal.signal),
        },
      });
    }
  }

  /** What the image is built from when it is published: the bundle and the Dockerfile, nothing else. */
  private imageFolder(dist: string, program: ContainerName): string {
    const folder = join(Stage.of(this)?.outdir ?? 'cdk.out', 'engine-image');
    // What an earlier synth left there would be another image.
    rmSync(folder, { recursive: true, force: true });
    cpSync(bundleFolder(dist, program), folder, { recursive: true });
    copyFileSync(
      fileURLToPath(new URL('engine.Dockerfile', import.meta.url)),
      join(folder, 'Dockerfile'),
    );
    return folder;
  }
}

/** A signal as Application Auto Scaling is told it. */
function trackedMetric(signal: Signal): CfnScalingPolicy.CustomizedMetricSpecificationProperty {
  if (signal.kind === 'series') {
    const { namespace, name, statistic } = signal.series;
    return { namespace, metricName: name, statistic, dimensions: dimensionsOf(signal.series) };
  }
  return {
    metrics: [
      ...Object.entries(signal.of).map(([id, each]) => ({
        id,
        returnData: false,
        metricStat: {
          stat: each.statistic,
          metric: {
            namespace: each.namespace,
            metricName: each.name,
            dimensions: dimensionsOf(each),
          },
        },
      })),
      { id: 'tracked', expression: signal.expression, returnData: true },
    ],
  };
}

function dimensionsOf({ dimensions }: Series): { readonly name: string; readonly value: string }[] {
  return Object.entries(dimensions).map(([name, value]) => ({ name, value }));
}
