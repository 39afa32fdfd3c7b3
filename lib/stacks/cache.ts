import { Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import {
  CfnParameterGroup,
  CfnReplicationGroup,
  CfnSubnetGroup,
  CfnUser,
  CfnUserGroup,
} from 'aws-cdk-lib/aws-elasticache';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import { CACHE_ACCESS, CACHE_PORT, NO_ACCESS } from '#config/cache.ts';
import { resourceNames } from '#config/resources.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import type { Identity } from './identity.ts';
import type { Network } from './network-stack.ts';

const ENGINE = 'valkey';
const VERSION = '8.1';
const FAMILY = 'valkey8';

/**
 * Valkey as a cluster, also where it is one node: what only works on one node then fails where it is
 * written and not in prod. Nobody enters but with a token of IAM and over TLS. It is asked for nothing
 * that is not kept elsewhere, so it has no backups.
 */
export class Cache extends Construct {
  /** Any of its nodes, which tells which of them holds what. */
  readonly url: string;
  readonly grant: Grant;

  constructor(
    scope: Construct,
    id: string,
    settings: StageSettings,
    { identity, network }: { identity: Identity; network: Network },
  ) {
    super(scope, id);
    const { stage, region, account, retain, cache } = settings;
    const names = resourceNames(stage);

    const parameters = new CfnParameterGroup(this, 'Parameters', {
      cacheParameterGroupFamily: FAMILY,
      description: `CloudFlow ${stage}`,
      // Full, it forgets what was not used for longest.
      properties: { 'cluster-enabled': 'yes', 'maxmemory-policy': 'allkeys-lru' },
    });
    const subnets = new CfnSubnetGroup(this, 'Subnets', {
      cacheSubnetGroupName: names.cache,
      description: `CloudFlow ${stage}: no route leaves them`,
      subnetIds: network.vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED }).subnetIds,
    });
    const users = this.users(settings, identity);
    const group = new CfnReplicationGroup(this, 'Nodes', {
      replicationGroupId: names.cache,
      replicationGroupDescription: `CloudFlow ${stage}: what can be asked again`,
      engine: ENGINE,
      engineVersion: VERSION,
      cacheNodeType: cache.node,
      clusterMode: 'enabled',
      numNodeGroups: cache.shards,
      replicasPerNodeGroup: cache.replicas,
      automaticFailoverEnabled: true,
      multiAzEnabled: cache.replicas > 0,
      port: CACHE_PORT,
      cacheParameterGroupName: parameters.ref,
      cacheSubnetGroupName: subnets.ref,
      securityGroupIds: [this.group(network).securityGroupId],
      atRestEncryptionEnabled: true,
      kmsKeyId: identity.dataKey.keyArn,
      transitEncryptionEnabled: true,
      transitEncryptionMode: 'required',
      userGroupIds: [users.ref],
      snapshotRetentionLimit: 0,
      autoMinorVersionUpgrade: !retain,
      preferredMaintenanceWindow: 'sun:04:00-sun:05:00',
    });
    group.cfnOptions.updatePolicy = { useOnlineResharding: true };
    group.applyRemovalPolicy(RemovalPolicy.DESTROY);
    if (cache.replicas === 0) {
      acknowledge(
        this,
        'AwsSolutions-AEC4',
        'a stage without copies pays for one node; what it loses is asked of the database again',
      );
    }
    acknowledge(
      this,
      'AwsSolutions-AEC6',
      'AUTH is one password for everybody; here every program logs in with a token that IAM signs',
    );

    this.url = `rediss://${group.attrConfigurationEndPointAddress}:${CACHE_PORT}`;
    const arn = (kind: string, name: string): string =>
      `arn:aws:elasticache:${region}:${account}:${kind}:${name}`;
    this.grant = (role) =>
      allow(role, {
        sid: sidOf('cache'),
        actions: actionsOf('cache'),
        resources: [arn('replicationgroup', names.cache), arn('user', names.cacheUser)],
      });
  }

  /** Programs, and nobody: without a user `default` of ours the one of ElastiCache could be meant. */
  private users(settings: StageSettings, identity: Identity): CfnUserGroup {
    const { stage, retain } = settings;
    const { cacheUser } = resourceNames(stage);
    // Whom IAM lets in has one word for id and name.
    const programs = new CfnUser(this, 'Programs', {
      engine: ENGINE,
      userId: cacheUser,
      userName: cacheUser,
      accessString: CACHE_ACCESS,
      authenticationMode: { Type: 'iam' },
    });
    // Valkey takes no user without a password, switched off or not.
    const password = new Secret(this, 'NobodysPassword', {
      secretName: `cloudflow/${stage}/platform/cache-nobody`,
      description: 'of the user of the cache that is switched off; nothing reads it',
      encryptionKey: identity.dataKey,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    acknowledge(
      password,
      'AwsSolutions-SMG4',
      'it opens nothing: its user is switched off and may do nothing',
    );
    const nobody = new CfnUser(this, 'Nobody', {
      engine: ENGINE,
      userId: `cloudflow-${stage}-nobody`,
      userName: 'default',
      accessString: NO_ACCESS,
      authenticationMode: {
        Type: 'password',
        Passwords: [password.secretValue.unsafeUnwrap()],
      },
    });
    return new CfnUserGroup(this, 'Users', {
      engine: ENGINE,
      userGroupId: `cloudflow-${stage}`,
      userIds: [programs.ref, nobody.ref],
    });
  }

  private group(network: Network): SecurityGroup {
    const group = new SecurityGroup(this, 'Group', {
      vpc: network.vpc,
      description: 'nodes of the cache',
      allowAllOutbound: false,
    });
    for (const [name, client] of [
      ['programs inside', network.insideGroup],
      ['programs that call outside', network.outsideGroup],
    ] as const) {
      group.addIngressRule(
        Peer.securityGroupId(client.securityGroupId),
        Port.tcp(CACHE_PORT),
        name,
      );
    }
    return group;
  }
}
