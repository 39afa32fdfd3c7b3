import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type IVpc, type SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import {
  Alias,
  Architecture,
  Code,
  Function as LambdaFunction,
  LayerVersion,
  LoggingFormat,
  Runtime,
  RuntimeFamily,
  Tracing,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { ProgramEnv } from '#config/env.ts';
import {
  FUNCTION_DEFAULTS,
  type FunctionName,
  type FunctionSpec,
  functionSpec,
} from '#config/functions.ts';
import { LAYERS, type LayerName } from '#config/layers.ts';
import { DEAD_TICKS } from '#config/queues.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { allow, type GrantsOf, grantAll } from './grants.ts';

/** What a program needs of its surroundings, whatever it does. */
export interface Surroundings {
  readonly settings: StageSettings;
  /** Where `npm run build` put the bundles. */
  readonly dist: string;
  readonly logKey: IKey;
  readonly vpc: IVpc;
  /** For programs that talk to the database and to AWS. */
  readonly insideGroup: SecurityGroup;
  /** For programs that connect to where workflows say. */
  readonly outsideGroup: SecurityGroup;
  /** The network has no way out: programs in it stand where its data stands. */
  readonly isolated?: boolean;
}

export interface ServiceFunctionProps<Name extends FunctionName> {
  readonly name: Name;
  readonly around: Surroundings;
  readonly environment: ProgramEnv<Name>;
  readonly grants: GrantsOf<Name>;
}

/** The alias that everything invokes, so that a new version takes over at once and can be taken back. */
export const LIVE = 'live';
/** Certificates of RDS, which Node does not trust by itself; Lambda ships them here. */
const LAMBDA_CERTIFICATES = '/var/runtime/ca-cert.pem';

/**
 * One function of the registry, as all of ours are: arm64, traced, with its own role, its own log that
 * is encrypted and ends, and the environment and permissions that the registry names. Triggers belong to
 * the stack that owns their source.
 */
export class ServiceFunction<Name extends FunctionName> extends Construct {
  readonly name: Name;
  readonly spec: FunctionSpec;
  readonly role: Role;
  readonly handler: LambdaFunction;
  readonly live: Alias;

  constructor(scope: Construct, id: string, props: ServiceFunctionProps<Name>) {
    super(scope, id);
    const { name, around } = props;
    const { settings } = around;
    this.name = name;
    this.spec = functionSpec(name);
    const functionName = `cloudflow-${settings.stage}-${name}`;

    this.role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      description: `${functionName}: ${this.spec.about}`,
    });
    const logGroup = new LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${functionName}`,
      retention: settings.logDays,
      encryptionKey: around.logKey,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    allow(this.role, {
      sid: 'WriteLog',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [
        `arn:aws:logs:${settings.region}:${settings.account}:log-group:/aws/lambda/${functionName}:*`,
      ],
      star: 'streams of its own log group: their names are made at run time',
    });
    const inside = reachesDatabase(this.spec);
    if (inside) {
      allow(this.role, {
        sid: 'StandInNetwork',
        actions: [
          'ec2:CreateNetworkInterface',
          'ec2:DescribeNetworkInterfaces',
          'ec2:DescribeSubnets',
          'ec2:DeleteNetworkInterface',
          'ec2:AssignPrivateIpAddresses',
          'ec2:UnassignPrivateIpAddresses',
        ],
        resources: ['*'],
        star: 'Lambda makes the network interfaces of a function as its role; describing them knows no resource',
      });
    }
    allow(this.role, {
      sid: 'Trace',
      actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
      resources: ['*'],
      star: 'X-Ray knows no resource that these actions could be narrowed to',
    });

    if (this.spec.triggers.some(({ kind }) => kind === 'schedule')) {
      allow(this.role, {
        sid: 'TellFailure',
        actions: ['sqs:SendMessage'],
        resources: [
          `arn:aws:sqs:${settings.region}:${settings.account}:cloudflow-${settings.stage}-${DEAD_TICKS}`,
        ],
      });
    }

    this.handler = new LambdaFunction(this, 'Function', {
      functionName,
      description: this.spec.about,
      role: this.role.withoutPolicyUpdates(),
      code: Code.fromAsset(bundleFolder(around.dist, name)),
      handler: FUNCTION_DEFAULTS.handler,
      runtime: new Runtime(FUNCTION_DEFAULTS.runtime, RuntimeFamily.NODEJS, {
        supportsInlineCode: true,
      }),
      architecture: Architecture.ARM_64,
      tracing: Tracing.ACTIVE,
      loggingFormat: LoggingFormat.JSON,
      logGroup,
      layers: (this.spec.layers ?? []).map((layer) => this.layer(layer, around)),
      memorySize: this.spec.memoryMb,
      timeout: Duration.seconds(this.spec.timeoutSeconds),
      environment: {
        ...props.environment,
        NODE_OPTIONS: '--enable-source-maps',
        ...(inside ? { NODE_EXTRA_CA_CERTS: LAMBDA_CERTIFICATES } : {}),
      },
      ...(this.spec.reservedConcurrency === null
        ? {}
        : { reservedConcurrentExecutions: this.spec.reservedConcurrency }),
      ...(inside
        ? {
            vpc: around.vpc,
            vpcSubnets: {
              subnetType: around.isolated
                ? SubnetType.PRIVATE_ISOLATED
                : SubnetType.PRIVATE_WITH_EGRESS,
            },
            securityGroups: [
              this.spec.can.includes('egress:internet') ? around.outsideGroup : around.insideGroup,
            ],
          }
        : {}),
    });
    grantAll(name, this.role, props.grants);
    // A function that starts before its permissions are there fails at its first call.
    this.handler.node.addDependency(this.role);

    const warm = this.spec.keptWarm ? settings.warmInstances : 0;
    this.live = new Alias(this, 'Live', {
      aliasName: LIVE,
      version: this.handler.currentVersion,
      ...(warm === 0 ? {} : { provisionedConcurrentExecutions: warm }),
    });
  }

  private layer(name: LayerName, { settings, dist }: Surroundings): LayerVersion {
    const folder = join(dist, 'layers', name);
    if (!existsSync(folder)) {
      throw new TypeError(`there is no layer ${name}; run npm run build first`);
    }
    return new LayerVersion(this, `Layer${name}`, {
      layerVersionName: `cloudflow-${settings.stage}-${this.name}-${name}`,
      description: LAYERS[name].about,
      code: Code.fromAsset(folder),
      compatibleArchitectures: [Architecture.ARM_64],
    });
  }
}

/** Programs that log in to PostgreSQL stand inside the network; the others need not. */
export function reachesDatabase({ can }: Pick<FunctionSpec, 'can'>): boolean {
  return can.some((capability) => capability.startsWith('postgres:'));
}

/** Throws a sentence when the program has not been built. */
export function bundleFolder(dist: string, name: string): string {
  const folder = join(dist, name);
  if (!existsSync(join(folder, 'index.mjs'))) {
    throw new TypeError(`there is no bundle of ${name}; run npm run build first`);
  }
  return folder;
}
