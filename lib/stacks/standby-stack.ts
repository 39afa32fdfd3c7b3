import {
  DomainName,
  type EndpointAccessMode,
  EndpointType,
  type SecurityPolicy,
} from 'aws-cdk-lib/aws-apigateway';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { IpAddresses, Peer, Port, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { standbyAlarmsOf } from '#config/alarms/recovery.ts';
import { standbyNoticesOf } from '#config/notices.ts';
import { platformClocks, platformMachineArn } from '#config/platform-workflows.ts';
import { databaseNames, type StandbyFacts } from '#config/recovery.ts';
import type { StageSettings, StandbySettings } from '#config/stage-settings.ts';
import { standbyDashboardsOf } from '#config/standby-dashboard.ts';
import { API_ACCESS_MODE, API_SECURITY_POLICY } from '#config/transport.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { makeAlarms } from '#constructs/alarms.ts';
import { makeAlertTopics } from '#constructs/alert-topics.ts';
import { makeDashboard } from '#constructs/dashboards.ts';
import { actionsOf, allow, type CapabilityOf, type Grant, sidOf } from '#constructs/grants.ts';
import { makeFindingsLog } from '#constructs/log-protection.ts';
import { Notices } from '#constructs/notices.ts';
import { PlatformMachines } from '#constructs/platform-machine.ts';
import { RecoveryStore } from '#constructs/recovery-store.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import { makeVault } from '#constructs/vault.ts';
import { groupsOfInstances, MAKE_INSTANCE } from './database-groups.ts';
import { POSTGRES_PORT } from './network-stack.ts';
import { StageStack } from './stage-stack.ts';
import { StandbyDatabase } from './standby-database.ts';
import { tell } from './waiting.ts';

/**
 * The region that waits: a vault for copies of backups, a network without a way out where the database's
 * copy stands, and what takes over when a person says so. It needs nothing of the region that serves.
 */
export class StandbyStack extends StageStack {
  readonly vpc: Vpc;
  /** For what stands beside it, and may be deployed later. */
  readonly around: Surroundings;

  constructor(scope: Construct, home: StageSettings, standby: StandbySettings, dist: string) {
    const settings: StageSettings = {
      ...home,
      region: standby.region,
      zones: standby.zones,
      network: { ...home.network, cidr: standby.cidr },
    };
    super(scope, 'Standby', settings, 'what waits to take over');
    const { stage, account, region } = settings;
    const names = databaseNames(stage);

    const store = new RecoveryStore(this, 'Store', settings);
    makeVault(this, settings, store.key);
    const around = this.surroundings(dist);
    this.around = around;
    this.vpc = around.vpc as Vpc;
    const database = new StandbyDatabase(this, 'Database', around);
    tell(this, 'Standby', {
      VpcId: this.vpc.vpcId,
      DataSubnets: this.vpc.isolatedSubnets.map(({ subnetId }) => subnetId).join(','),
      DataRoutes: this.vpc.isolatedSubnets.map((each) => each.routeTable.routeTableId).join(','),
      DatabaseGroupId: database.groupId,
      DatabaseResourceId: database.resourceId,
      LogKeyArn: around.logKey.keyArn,
      StoreKeyArn: store.key.keyArn,
    });

    const integrity = new ServiceFunction(this, 'StandbyIntegrity', {
      name: 'standby-integrity',
      around,
      environment: {
        STAGE: stage,
        // Without the part that RDS makes up: whoever asks for a check says which it is.
        DATABASE_URL: `postgres://${names.cluster}.${region}.rds.amazonaws.com:${POSTGRES_PORT}/cloudflow?sslmode=verify-full`,
        DATABASE_AUTH: 'iam',
      },
      grants: {
        'postgres:cloudflow_auditor': (role) =>
          allow(role, {
            sid: sidOf('postgres:cloudflow_auditor'),
            actions: actionsOf('postgres:cloudflow_auditor'),
            resources: [`arn:aws:rds-db:${region}:${account}:dbuser:*/cloudflow_auditor`],
            star: 'a role that only reads, in the one database of this region',
          }),
      },
    });
    const host = this.nameOfApi(home, standby);
    const takeover = new ServiceFunction(this, 'Takeover', {
      name: 'takeover',
      around,
      environment: {
        STAGE: stage,
        RECOVERY_FACTS: this.toJsonString(factsOf(settings, standby, host)),
        RECOVERY_BUCKET: store.bucket.bucketName,
        RECOVERY_TOPIC_ARN: store.topic.topicArn,
        INTEGRITY_FUNCTION_ARN: integrity.live.functionArn,
      },
      grants: { ...store.grants, ...this.grants(standby, integrity) },
    });

    const group = new CfnScheduleGroup(this, 'Clocks', { name: platformClocks(stage) }).ref;
    const clock = new Role(this, 'Clock', {
      description: 'starts machines of the platform',
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
    });
    const topics = makeAlertTopics(this, settings);
    makeAlarms(this, stage, standbyAlarmsOf(home), topics);
    new Notices(this, 'Notices', stage, standbyNoticesOf(home), topics);
    for (const spec of standbyDashboardsOf(home)) makeDashboard(this, settings, spec);
    new PlatformMachines(this, 'Machines', {
      around,
      runsIn: 'standby',
      runner: takeover,
      group,
      clock,
      rehearses: settings.rehearses,
    });
  }

  /**
   * The name of the API, which is known here before there is an API: where it leads to does not change
   * when one is deployed, so the take-over can switch it. Null: it has none, or nobody switches it.
   */
  private nameOfApi({ api: { domain } }: StageSettings, { api }: StandbySettings): string | null {
    if (domain === null || api === null) return null;
    return new DomainName(this, 'ApiName', {
      domainName: domain.name,
      certificate: Certificate.fromCertificateArn(this, 'Certificate', api.certificateArn),
      endpointType: EndpointType.REGIONAL,
      securityPolicy: API_SECURITY_POLICY as SecurityPolicy,
      endpointAccessMode: API_ACCESS_MODE as EndpointAccessMode,
    }).domainNameAliasDomainName;
  }

  /** No gateway and no address of the internet: what stands here talks to the database alone. */
  private surroundings(dist: string): Surroundings {
    const { settings } = this;
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr(settings.network.cidr),
      maxAzs: settings.zones.length,
      natGateways: 0,
      restrictDefaultSecurityGroup: false,
      subnetConfiguration: [
        { name: 'Data', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 20 },
      ],
    });
    acknowledge(
      vpc,
      'CloudFormation-Validate::W3010',
      'zones are written in the settings of the stage, so that templates are made without an account',
    );
    acknowledge(
      vpc,
      'AwsSolutions-VPC7',
      'nothing can leave or enter this network; what is asked of its database is logged there',
    );
    const insideGroup = new SecurityGroup(this, 'InsideGroup', {
      vpc,
      description: 'programs that talk to the database',
      allowAllOutbound: false,
    });
    insideGroup.addEgressRule(
      Peer.ipv4(settings.network.cidr),
      Port.tcp(POSTGRES_PORT),
      'PostgreSQL',
    );
    const logKey = new Key(this, 'LogKey', {
      alias: `cloudflow/${settings.stage}/standby-logs`,
      description: `CloudFlow ${settings.stage}: logs of the region that waits`,
      enableKeyRotation: true,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    logKey.grantEncryptDecrypt(
      new ServicePrincipal(`logs.${settings.region}.amazonaws.com`).withConditions({
        ArnLike: {
          'kms:EncryptionContext:aws:logs:arn': `arn:aws:logs:${settings.region}:${settings.account}:log-group:*`,
        },
      }),
    );
    makeFindingsLog(this, settings, logKey);
    return { settings, dist, logKey, vpc, insideGroup, outsideGroup: insideGroup, isolated: true };
  }

  private grants(
    standby: StandbySettings,
    integrity: ServiceFunction<'standby-integrity'>,
  ): { readonly [C in Exclude<CapabilityOf<'takeover'>, keyof RecoveryStore['grants']>]: Grant } {
    const { stage, account, region } = this.settings;
    const names = databaseNames(stage);
    const rds = `arn:aws:rds:${region}:${account}`;
    const scaled = standby.engine;
    return {
      'recovery:integrity': (role) =>
        allow(role, {
          sid: sidOf('recovery:integrity'),
          actions: actionsOf('recovery:integrity'),
          resources: [integrity.live.functionArn],
        }),
      'recovery:answer': (role) =>
        allow(role, {
          sid: sidOf('recovery:answer'),
          actions: actionsOf('recovery:answer'),
          resources: [platformMachineArn({ stage, region, account }, '*')],
          star: 'machines of the platform, and no tenant’s',
        }),
      'recovery:databases': (role) =>
        allow(role, {
          sid: sidOf('recovery:databases'),
          actions: actionsOf('recovery:databases'),
          resources: [`${rds}:cluster:${names.cluster}`, `${rds}:db:*`],
          star: 'instances are asked for by their cluster; nothing is changed',
        }),
      'takeover:database': (role) => {
        allow(role, {
          sid: sidOf('takeover:database'),
          actions: actionsOf('takeover:database').filter((each) => each !== MAKE_INSTANCE),
          resources: [
            `arn:aws:rds::${account}:global-cluster:${names.global}`,
            `${rds}:cluster:${names.cluster}`,
          ],
        });
        allow(role, {
          sid: 'TakeoverInstance',
          actions: [MAKE_INSTANCE],
          resources: [
            `${rds}:cluster:${names.cluster}`,
            `${rds}:db:${names.standbyInstance}`,
            ...groupsOfInstances(rds, names.cluster),
          ],
          star: 'groups for which nobody names another are named by AWS',
        });
      },
      'takeover:name': (role) => {
        allow(role, {
          sid: sidOf('takeover:name'),
          actions: actionsOf('takeover:name').filter((each) => each !== GET_CHANGE),
          // Without a zone of ours there is none that could be changed.
          resources: [`arn:aws:route53:::hostedzone/${standby.api?.hostedZoneId ?? 'none'}`],
        });
        allow(role, {
          sid: 'TakeoverChanges',
          actions: [GET_CHANGE],
          resources: ['arn:aws:route53:::change/*'],
          star: 'a change is named by Route 53 when it is made',
        });
      },
      'takeover:engine': (role) => {
        const service = `${scaled?.cluster ?? 'none'}/${scaled?.service ?? 'none'}`;
        allow(role, {
          sid: sidOf('takeover:engine'),
          actions: actionsOf('takeover:engine').filter((each) => each !== REGISTER),
          resources: [`arn:aws:ecs:${region}:${account}:service/${service}`],
        });
        allow(role, {
          sid: 'TakeoverScales',
          actions: [REGISTER],
          resources: [`arn:aws:application-autoscaling:${region}:${account}:scalable-target/*`],
          star: 'a target is named by AWS when it is registered',
        });
      },
    };
  }
}

const GET_CHANGE = 'route53:GetChange';
const REGISTER = 'application-autoscaling:RegisterScalableTarget';

function factsOf(
  settings: StageSettings,
  standby: StandbySettings,
  host: string | null,
): StandbyFacts {
  const { stage, account, region, database, engine, api } = settings;
  const names = databaseNames(stage);
  const { capacity } = database;
  return {
    stage,
    region,
    cluster: names.cluster,
    clusterArn: `arn:aws:rds:${region}:${account}:cluster:${names.cluster}`,
    globalDatabase: names.global,
    instance: names.standbyInstance,
    instanceClass: capacity.kind === 'provisioned' ? `db.${capacity.instance}` : 'db.serverless',
    dns:
      standby.api === null || api.domain === null || host === null
        ? null
        : { zone: standby.api.hostedZoneId, name: api.domain.name, host },
    engine:
      standby.engine === null
        ? null
        : { ...standby.engine, least: engine.minTasks, most: engine.maxTasks },
  };
}
