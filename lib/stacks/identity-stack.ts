import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { makeFindingsLog } from '#constructs/log-protection.ts';
import {
  type Identity,
  type IdentityGrants,
  identityGrants,
  platformSecretName,
  tenantSecretsPrefix,
  useKey,
} from './identity.ts';
import { StageStack } from './stage-stack.ts';
import { copySecret, standbyKeyArn } from './standby-keys-stack.ts';

/** Keys and secrets of the platform: what everything else is sealed with, so it is made first. */
export class IdentityStack extends StageStack implements Identity {
  readonly dataKey: Key;
  readonly logKey: Key;
  readonly signingKey: Key;
  readonly cursorKeySecret: string;
  readonly identityKeySecret: string;
  readonly tenantSecretsPrefix: string;
  readonly tenantSecretsCopy: string;
  readonly grants: IdentityGrants;

  constructor(scope: Construct, settings: StageSettings) {
    super(scope, 'Identity', settings, 'keys and secrets');
    const { stage, account, region, standby } = settings;
    const removalPolicy = settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY;

    this.dataKey = new Key(this, 'DataKey', {
      alias: `cloudflow/${stage}/data`,
      description: `CloudFlow ${stage}: data at rest`,
      enableKeyRotation: true,
      removalPolicy,
    });
    this.logKey = new Key(this, 'LogKey', {
      alias: `cloudflow/${stage}/logs`,
      description: `CloudFlow ${stage}: logs`,
      enableKeyRotation: true,
      removalPolicy,
    });
    this.logKey.grantEncryptDecrypt(
      new ServicePrincipal(`logs.${region}.amazonaws.com`).withConditions({
        ArnLike: {
          'kms:EncryptionContext:aws:logs:arn': `arn:aws:logs:${region}:${account}:log-group:*`,
        },
      }),
    );

    // Before every log that is looked through.
    makeFindingsLog(this, settings, this.logKey);

    this.signingKey = new Key(this, 'SigningKey', {
      alias: `cloudflow/${stage}/signing`,
      description: `CloudFlow ${stage}: keys that sign tokens`,
      enableKeyRotation: true,
      // What it sealed travels with the database, so the region that waits must be able to open it.
      multiRegion: standby !== null,
      removalPolicy,
    });

    const cursorKey = new Secret(this, 'CursorKey', {
      secretName: platformSecretName(settings, 'cursor-key'),
      description:
        'what seals cursors of the API: at first base64 of 48 bytes, then a ring of such keys',
      encryptionKey: this.dataKey,
      // Letters and digits alone are base64 as they stand.
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy,
    });
    acknowledge(
      cursorKey,
      'AwsSolutions-SMG4',
      'it is turned every 90 days by the function platform-keys, which keeps the keys before it; a rotation of Secrets Manager would replace them',
    );

    const identityKey = new Secret(this, 'IdentityKey', {
      secretName: platformSecretName(settings, 'identity-key'),
      description:
        'what identity derives its keys from: at first base64 of 48 bytes, then a ring of such keys',
      encryptionKey: this.dataKey,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy,
    });
    acknowledge(
      identityKey,
      'AwsSolutions-SMG4',
      'it is turned every 90 days by the function platform-keys, which keeps the keys before it; a rotation of Secrets Manager would replace them',
    );

    if (standby !== null) {
      // Whoever takes over reads them there under their names.
      for (const secret of [cursorKey, identityKey]) copySecret(secret, settings, standby);
    }
    this.tenantSecretsCopy =
      standby === null ? '' : `${standby.region},${standbyKeyArn(settings, standby.region)}`;
    this.cursorKeySecret = cursorKey.secretArn;
    this.identityKeySecret = identityKey.secretArn;
    this.tenantSecretsPrefix = tenantSecretsPrefix(settings);
    this.grants = identityGrants(settings, {
      dataKey: this.dataKey,
      signingKey: this.signingKey,
      cursorKeyArn: cursorKey.secretArn,
      identityKeyArn: identityKey.secretArn,
    });
  }

  allowKey(...[role, sid, actions, service]: Parameters<Identity['allowKey']>): void {
    useKey(this.settings, this.dataKey, role, sid, actions, service);
  }
}
