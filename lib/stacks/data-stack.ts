import { Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import {
  DatabaseProxy,
  DefaultAuthScheme,
  type IDatabaseCluster,
  ProxyEndpointTargetRole,
  ProxyTarget,
} from 'aws-cdk-lib/aws-rds';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Duration, Fn, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { DATABASE_ROLES, type DatabaseRole } from '#config/capabilities.ts';
import { PROXY_BORROW_SECONDS } from '#config/database-wait.ts';
import { QUEUES, type QueueName } from '#config/queues.ts';
import { resourceNames } from '#config/resources.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import { adoptDatabase } from './adopted-database.ts';
import { Cache } from './cache.ts';
import { DATABASE, type Database, makeDatabase } from './database.ts';
import type { Identity } from './identity.ts';
import { type Network, POSTGRES_PORT } from './network-stack.ts';
import { StageStack } from './stage-stack.ts';

const DEAD_LETTERS_KEPT = Duration.days(14);

/** What must survive everything else: the database and the queues between programs; and the cache. */
export class DataStack extends StageStack {
  readonly cluster: IDatabaseCluster;
  /** Lets programs in that stand inside the network. */
  readonly databaseGroupId: string;
  /** Host, port and database, for programs that log in with a token of IAM. */
  readonly databaseUrl: string;
  /** Of readers, which may lag behind; empty: there are none. */
  readonly readerUrl: string;
  /** Of the writer itself: what changes the schema may not go through the proxy. */
  readonly writerUrl: string;
  /** Id of the login of the schema's owner, which is changed by itself. */
  readonly ownerSecret: string;
  /** Of the cache: `rediss://`, of a cluster. */
  readonly cacheUrl: string;
  readonly queues: { readonly [Name in QueueName]: Queue };
  readonly grants: { readonly [R in DatabaseRole as `postgres:${R}`]: Grant } & {
    readonly 'postgres:owner': Grant;
    readonly 'queue:step-functions-nudges:send': Grant;
    readonly cache: Grant;
  };

  constructor(
    scope: Construct,
    settings: StageSettings,
    { identity, network }: { identity: Identity; network: Network },
  ) {
    super(scope, 'Data', settings, 'database, cache and queues');
    const { database } = settings;

    const group = new SecurityGroup(this, 'DatabaseGroup', {
      vpc: network.vpc,
      description: 'the database and its proxy',
      allowAllOutbound: false,
    });
    for (const [name, client] of [
      ['programs inside', network.insideGroup],
      ['programs that call outside', network.outsideGroup],
    ] as const) {
      group.addIngressRule(
        Peer.securityGroupId(client.securityGroupId),
        Port.tcp(POSTGRES_PORT),
        name,
      );
    }
    this.databaseGroupId = group.securityGroupId;

    const made =
      settings.takesOver === null
        ? makeDatabase(this, settings, { identity, network, group })
        : adoptDatabase(this, settings, { network, group });
    this.cluster = made.cluster;
    this.ownerSecret = made.ownerSecret;
    this.writerUrl = urlOf(made.writerHost);

    const proxy = database.proxy ? this.proxy(network, identity, group, made) : null;
    this.databaseUrl = proxy === null ? this.writerUrl : urlOf(proxy.endpoint);
    this.readerUrl =
      database.readers === 0 ? '' : urlOf(this.readerHost(proxy, group, network, made));
    // An id in the ARN, not a name: who may log in to this cluster may not log in to its successor.
    const loginResource = (role: DatabaseRole): string => {
      const id = proxy === null ? made.resourceId : Fn.select(6, Fn.split(':', proxy.dbProxyArn));
      return `arn:aws:rds-db:${settings.region}:${settings.account}:dbuser:${id}/${role}`;
    };
    const login =
      (role: DatabaseRole): Grant =>
      (grantee) =>
        allow(grantee, {
          sid: sidOf(`postgres:${role}`),
          actions: actionsOf(`postgres:${role}`),
          resources: [loginResource(role)],
        });

    const cache = new Cache(this, 'Cache', settings, { identity, network });
    this.cacheUrl = cache.url;
    this.queues = { 'step-functions-nudges': this.queue('step-functions-nudges', 'Nudges') };
    this.grants = {
      cache: cache.grant,
      'postgres:cloudflow_app': login('cloudflow_app'),
      'postgres:cloudflow_engine': login('cloudflow_engine'),
      'postgres:cloudflow_relay': login('cloudflow_relay'),
      'postgres:cloudflow_login': login('cloudflow_login'),
      // Copies that are restored have ids that nobody knows before.
      'postgres:cloudflow_auditor': (role) =>
        allow(role, {
          sid: sidOf('postgres:cloudflow_auditor'),
          actions: actionsOf('postgres:cloudflow_auditor'),
          resources: [
            `arn:aws:rds-db:${settings.region}:${settings.account}:dbuser:*/cloudflow_auditor`,
          ],
          star: 'a role that only reads, in the database and in copies that are restored from it',
        }),
      'postgres:owner': (role) => {
        allow(role, {
          sid: sidOf('postgres:owner'),
          actions: actionsOf('postgres:owner'),
          resources: [made.ownerSecretArn],
        });
        identity.allowKey(role, 'OpenOwnerLogin', ['kms:Decrypt']);
      },
      'queue:step-functions-nudges:send': (role) =>
        allow(role, {
          sid: sidOf('queue:step-functions-nudges:send'),
          actions: actionsOf('queue:step-functions-nudges:send'),
          resources: [this.queues['step-functions-nudges'].queueArn],
        }),
    };
  }

  private readerHost(
    proxy: DatabaseProxy | null,
    group: SecurityGroup,
    network: Network,
    { readerHost }: Database,
  ): string {
    if (proxy === null) return readerHost;
    return proxy.addEndpoint('Readers', {
      dbProxyEndpointName: `${resourceNames(this.settings.stage).proxy}-readers`,
      targetRole: ProxyEndpointTargetRole.READ_ONLY,
      vpc: network.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [group],
    }).endpoint;
  }

  private proxy(
    network: Network,
    identity: Identity,
    group: SecurityGroup,
    { cluster, resourceId }: Database,
  ): DatabaseProxy {
    const { stage, region, account } = this.settings;
    // The construct's own role would carry no permission for log-ins that IAM signs end to end.
    const role = new Role(this, 'ProxyRole', {
      assumedBy: new ServicePrincipal('rds.amazonaws.com'),
      description: 'logs the proxy in to the database as the role that its client asks for',
    });
    allow(role, {
      sid: 'LogIn',
      actions: ['rds-db:connect'],
      resources: DATABASE_ROLES.map(
        (name) => `arn:aws:rds-db:${region}:${account}:dbuser:${resourceId}/${name}`,
      ),
    });
    const name = `cloudflow-${stage}`;
    const log = new LogGroup(this, 'ProxyLog', {
      logGroupName: `/aws/rds/proxy/${name}`,
      retention: this.settings.logDays,
      encryptionKey: identity.logKey,
      removalPolicy: this.settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    const proxy = new DatabaseProxy(this, 'Proxy', {
      dbProxyName: name,
      proxyTarget: ProxyTarget.fromCluster(cluster),
      defaultAuthScheme: DefaultAuthScheme.IAM_AUTH,
      role,
      iamAuth: true,
      requireTLS: true,
      borrowTimeout: Duration.seconds(PROXY_BORROW_SECONDS),
      vpc: network.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [group],
    });
    // As with the database: else it would make a log group of its own.
    proxy.node.addDependency(log);
    return proxy;
  }

  private queue(name: QueueName, id: string): Queue {
    const { visibilitySeconds, retentionSeconds, maxReceives } = QUEUES[name];
    const queueName = `cloudflow-${this.settings.stage}-${name}`;
    return new Queue(this, id, {
      queueName,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: Duration.seconds(visibilitySeconds),
      retentionPeriod: Duration.seconds(retentionSeconds),
      deadLetterQueue: {
        maxReceiveCount: maxReceives,
        queue: new Queue(this, `${id}Dead`, {
          queueName: `${queueName}-dead`,
          encryption: QueueEncryption.SQS_MANAGED,
          enforceSSL: true,
          retentionPeriod: DEAD_LETTERS_KEPT,
        }),
      },
    });
  }
}

function urlOf(host: string): string {
  return `postgres://${host}:${POSTGRES_PORT}/${DATABASE}?sslmode=verify-full`;
}
