import { Peer, Port, SecurityGroup, SubnetType } from 'aws-cdk-lib/aws-ec2';
import { Credentials, type DatabaseCluster, DatabaseSecret } from 'aws-cdk-lib/aws-rds';
import { Duration, RemovalPolicy, type Stack } from 'aws-cdk-lib/core';
import type { StageSettings } from '#config/stage-settings.ts';
import type { Identity } from './identity.ts';
import type { Network } from './network-stack.ts';
import { copySecret } from './standby-keys-stack.ts';

const OWNER = 'cloudflow_owner';
const ROTATED_EVERY = Duration.days(30);

/**
 * Who owns the schema, and who keeps the password. RDS does, and changes it every week, but for a member
 * of a global database, where it cannot: there the secret is ours and AWS's own program changes it.
 */
export function ownerLogin(stack: Stack, settings: StageSettings, identity: Identity) {
  const encryptionKey = identity.dataKey;
  if (settings.standby === null) {
    return {
      credentials: Credentials.fromUsername(OWNER, { encryptionKey }),
      manageMasterUserPassword: true,
    };
  }
  const secret = new DatabaseSecret(stack, 'OwnerLogin', {
    username: OWNER,
    secretName: ownerSecretName(settings),
    encryptionKey,
  });
  secret.applyRemovalPolicy(settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY);
  // Whoever takes over brings the schema forward there.
  copySecret(secret, settings, settings.standby);
  return { credentials: Credentials.fromSecret(secret, OWNER) };
}

export function ownerSecretName({ stage }: StageSettings): string {
  return `cloudflow/${stage}/platform/database-owner`;
}

/** Of a secret that is ours. The program that changes it stands in a group of its own. */
export function rotateOwnerLogin(
  cluster: DatabaseCluster,
  network: Network,
  settings: StageSettings,
): void {
  const group = new SecurityGroup(cluster.stack, 'RotationGroup', {
    vpc: network.vpc,
    description: 'what changes the password of the owner of the schema',
    allowAllOutbound: false,
  });
  // Where calls to AWS stay inside the network, so do these.
  const aws = settings.network.interfaceEndpoints
    ? Peer.ipv4(settings.network.cidr)
    : Peer.anyIpv4();
  group.addEgressRule(aws, Port.tcp(443), 'AWS');
  // The way to the database is opened by the rotation itself.
  cluster.addRotationSingleUser({
    automaticallyAfter: ROTATED_EVERY,
    vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
    securityGroup: group,
  });
}
