import { AccountRootPrincipal, PolicyDocument, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { CfnAlias, CfnReplicaKey } from 'aws-cdk-lib/aws-kms';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { copiedBuckets, copyNameOf } from '#config/buckets.ts';
import type { StageSettings, StandbySettings } from '#config/stage-settings.ts';
import { Buckets } from './buckets.ts';
import type { IdentityStack } from './identity-stack.ts';
import { StageStack } from './stage-stack.ts';
import type { StandbyKeysStack } from './standby-keys-stack.ts';
import { tell } from './waiting.ts';

/**
 * Copies in the region that waits: of buckets, made before anything is copied and locked as their
 * originals; and of the key that seals what signs tokens, which comes with the database.
 */
export class StandbyStoresStack extends StageStack {
  constructor(
    scope: Construct,
    home: StageSettings,
    standby: StandbySettings,
    { identity, keys }: { readonly identity: IdentityStack; readonly keys: StandbyKeysStack },
  ) {
    const settings: StageSettings = { ...home, region: standby.region, zones: standby.zones };
    super(
      scope,
      'StandbyStores',
      settings,
      'copies of buckets, and of the key that seals what signs',
    );
    new Buckets(this, 'Buckets', {
      settings,
      key: keys.dataKey,
      names: copiedBuckets,
      nameOf: (name) => copyNameOf(settings, name, standby.region),
    });
    const seals = new CfnReplicaKey(this, 'SigningKey', {
      primaryKeyArn: identity.signingKey.keyArn,
      description: `CloudFlow ${settings.stage}: keys that sign tokens, in the region that waits`,
      keyPolicy: new PolicyDocument({
        statements: [
          new PolicyStatement({
            principals: [new AccountRootPrincipal()],
            actions: ['kms:*'],
            resources: ['*'],
          }),
        ],
      }),
    });
    seals.applyRemovalPolicy(settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY);
    new CfnAlias(this, 'SigningKeyAlias', {
      aliasName: `alias/cloudflow/${settings.stage}/signing`,
      targetKeyId: seals.attrKeyId,
    });
    tell(this, 'StandbyStores', { SigningKeyArn: seals.attrArn });
  }
}
