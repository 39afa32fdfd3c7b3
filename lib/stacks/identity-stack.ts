import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnSecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import { makeFindingsLog } from '#constructs/log-protection.ts';
import { StageStack } from './stage-stack.ts';
import { dataKeyAlias, standbyKeyArn } from './standby-keys-stack.ts';

/** Keys and secrets of the platform: what everything else is sealed with, so it is made first. */
export class IdentityStack extends StageStack {
  /** Seals the database, its copies and the secrets. */
  readonly dataKey: Key;
  readonly logKey: Key;
  /** Seals keys that sign tokens, and nothing else. */
  readonly signingKey: Key;
  readonly cursorKeySecret: Secret;
  /** Names of tenants' secrets begin with it. */
  readonly identityKeySecret: Secret;
  readonly tenantSecretsPrefix: string;
  /** `TENANT_SECRETS_COPY`. */
  readonly tenantSecretsCopy: string;
  readonly grants: {
    readonly [C in
      | 'secrets:cursor-key'
      | 'secrets:identity-key'
      | 'signing-keys:open'
      | 'secrets:platform-keys:turn'
      | 'secrets:tenants:read'
      | 'secrets:tenants:write'
      | 'secrets:tenants:delete'
      | 'signing-keys:make']: Grant;
  };

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

    this.cursorKeySecret = new Secret(this, 'CursorKey', {
      secretName: `cloudflow/${stage}/platform/cursor-key`,
      description:
        'what seals cursors of the API: at first base64 of 48 bytes, then a ring of such keys',
      encryptionKey: this.dataKey,
      // Letters and digits alone are base64 as they stand.
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy,
    });
    acknowledge(
      this.cursorKeySecret,
      'AwsSolutions-SMG4',
      'it is turned every 90 days by the function platform-keys, which keeps the keys before it; a rotation of Secrets Manager would replace them',
    );

    this.identityKeySecret = new Secret(this, 'IdentityKey', {
      secretName: `cloudflow/${stage}/platform/identity-key`,
      description:
        'what identity derives its keys from: at first base64 of 48 bytes, then a ring of such keys',
      encryptionKey: this.dataKey,
      generateSecretString: { passwordLength: 64, excludePunctuation: true },
      removalPolicy,
    });
    acknowledge(
      this.identityKeySecret,
      'AwsSolutions-SMG4',
      'it is turned every 90 days by the function platform-keys, which keeps the keys before it; a rotation of Secrets Manager would replace them',
    );

    if (standby !== null) {
      // Whoever takes over reads them there under their names.
      for (const secret of [this.cursorKeySecret, this.identityKeySecret]) {
        const made = secret.node.defaultChild;
        if (!(made instanceof CfnSecret))
          throw new TypeError('a secret is made of another resource');
        made.replicaRegions = [
          { region: standby.region, kmsKeyId: standbyKeyArn(settings, standby.region) },
        ];
      }
    }
    this.tenantSecretsCopy =
      standby === null ? '' : `${standby.region},${standbyKeyArn(settings, standby.region)}`;
    this.tenantSecretsPrefix = `cloudflow/${stage}/tenants`;
    const tenantSecrets = `arn:aws:secretsmanager:${region}:${account}:secret:${this.tenantSecretsPrefix}/*`;
    const star = 'secrets of tenants are made at run time, under their prefix';
    this.grants = {
      'secrets:cursor-key': (role) => {
        allow(role, {
          sid: sidOf('secrets:cursor-key'),
          actions: actionsOf('secrets:cursor-key'),
          resources: [this.cursorKeySecret.secretArn],
        });
        this.allowKey(role, 'OpenCursorKey', ['kms:Decrypt']);
      },
      'secrets:identity-key': (role) => {
        allow(role, {
          sid: sidOf('secrets:identity-key'),
          actions: actionsOf('secrets:identity-key'),
          resources: [this.identityKeySecret.secretArn],
        });
        this.allowKey(role, 'OpenIdentityKey', ['kms:Decrypt']);
      },
      'secrets:platform-keys:turn': (role) => {
        allow(role, {
          sid: sidOf('secrets:platform-keys:turn'),
          actions: actionsOf('secrets:platform-keys:turn'),
          resources: [this.cursorKeySecret.secretArn, this.identityKeySecret.secretArn],
        });
        this.allowKey(role, 'SealPlatformKeys', ['kms:Decrypt', 'kms:GenerateDataKey']);
      },
      'secrets:tenants:read': (role) => {
        allow(role, {
          sid: sidOf('secrets:tenants:read'),
          actions: actionsOf('secrets:tenants:read'),
          resources: [tenantSecrets],
          star,
        });
        this.allowKey(role, 'OpenTenantSecrets', ['kms:Decrypt']);
      },
      'secrets:tenants:write': (role) => {
        allow(role, {
          sid: sidOf('secrets:tenants:write'),
          actions: actionsOf('secrets:tenants:write'),
          resources: [tenantSecrets],
          star,
        });
        this.allowKey(role, 'SealTenantSecrets', ['kms:Decrypt', 'kms:GenerateDataKey']);
        if (standby === null) return;
        allow(role, {
          sid: 'SealTenantCopies',
          actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
          resources: [`arn:aws:kms:${standby.region}:${account}:key/*`],
          conditions: {
            StringEquals: { 'kms:ViaService': `secretsmanager.${standby.region}.amazonaws.com` },
            'ForAnyValue:StringEquals': {
              'kms:ResourceAliases': `alias/${dataKeyAlias(settings)}`,
            },
          },
          star: 'the one key of that region that has this alias: its id is known there alone',
        });
      },
      'secrets:tenants:delete': (role) =>
        allow(role, {
          sid: sidOf('secrets:tenants:delete'),
          actions: actionsOf('secrets:tenants:delete'),
          resources: [tenantSecrets],
          star,
        }),
      'signing-keys:open': (role) =>
        allow(role, {
          sid: sidOf('signing-keys:open'),
          actions: actionsOf('signing-keys:open'),
          resources: [this.signingKey.keyArn],
          conditions: { StringLike: { 'kms:EncryptionContext:purpose': 'signing-key:*' } },
        }),
      'signing-keys:make': (role) =>
        allow(role, {
          sid: sidOf('signing-keys:make'),
          actions: actionsOf('signing-keys:make'),
          resources: [this.signingKey.keyArn],
          conditions: { StringLike: { 'kms:EncryptionContext:purpose': 'signing-key:*' } },
        }),
    };
  }

  /** Use of the data key through one service of AWS alone. */
  allowKey(
    role: Parameters<Grant>[0],
    sid: string,
    actions: readonly string[],
    service: 'secretsmanager' | 'dynamodb' | 's3' | 'rds' = 'secretsmanager',
  ): void {
    allow(role, {
      sid,
      actions,
      resources: [this.dataKey.keyArn],
      conditions: {
        StringEquals: { 'kms:ViaService': `${service}.${this.settings.region}.amazonaws.com` },
      },
    });
  }
}
