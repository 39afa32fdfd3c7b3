import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { StageSettings } from '#config/stage-settings.ts';
import { actionsOf, allow, type Grant, sidOf } from '#constructs/grants.ts';
import { dataKeyAlias } from './standby-keys-stack.ts';

export type IdentityGrants = {
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

/** Keys and secrets of the platform, whoever made them: what stacks are told, and what roles are given. */
export interface Identity {
  /** Seals the database, its copies and the secrets. */
  readonly dataKey: IKey;
  readonly logKey: IKey;
  /** Seals keys that sign tokens, and nothing else. */
  readonly signingKey: IKey;
  /** Id of the secret: its ARN or its name. */
  readonly cursorKeySecret: string;
  readonly identityKeySecret: string;
  /** Names of tenants' secrets begin with it. */
  readonly tenantSecretsPrefix: string;
  /** `TENANT_SECRETS_COPY`. */
  readonly tenantSecretsCopy: string;
  readonly grants: IdentityGrants;
  /** Use of the data key through one service of AWS alone. */
  allowKey(
    role: Parameters<Grant>[0],
    sid: string,
    actions: readonly string[],
    service?: SealedService,
  ): void;
}

export type SealedService = 'secretsmanager' | 'dynamodb' | 's3' | 'rds';

interface Sealed {
  readonly dataKey: IKey;
  readonly signingKey: IKey;
  /** As IAM is told them. */
  readonly cursorKeyArn: string;
  readonly identityKeyArn: string;
}

export function tenantSecretsPrefix({ stage }: StageSettings): string {
  return `cloudflow/${stage}/tenants`;
}

/** Of a secret that every process of one kind shares. */
export function platformSecretName(
  { stage }: StageSettings,
  name: 'cursor-key' | 'identity-key',
): string {
  return `cloudflow/${stage}/platform/${name}`;
}

export function useKey(
  { region }: StageSettings,
  dataKey: IKey,
  role: Parameters<Grant>[0],
  sid: string,
  actions: readonly string[],
  service: SealedService = 'secretsmanager',
): void {
  allow(role, {
    sid,
    actions,
    resources: [dataKey.keyArn],
    conditions: { StringEquals: { 'kms:ViaService': `${service}.${region}.amazonaws.com` } },
  });
}

export function identityGrants(
  settings: StageSettings,
  { dataKey, signingKey, cursorKeyArn, identityKeyArn }: Sealed,
): IdentityGrants {
  const { account, region, standby } = settings;
  const tenantSecrets = `arn:aws:secretsmanager:${region}:${account}:secret:${tenantSecretsPrefix(settings)}/*`;
  const star = 'secrets of tenants are made at run time, under their prefix';
  return {
    'secrets:cursor-key': (role) => {
      allow(role, {
        sid: sidOf('secrets:cursor-key'),
        actions: actionsOf('secrets:cursor-key'),
        resources: [cursorKeyArn],
      });
      useKey(settings, dataKey, role, 'OpenCursorKey', ['kms:Decrypt']);
    },
    'secrets:identity-key': (role) => {
      allow(role, {
        sid: sidOf('secrets:identity-key'),
        actions: actionsOf('secrets:identity-key'),
        resources: [identityKeyArn],
      });
      useKey(settings, dataKey, role, 'OpenIdentityKey', ['kms:Decrypt']);
    },
    'secrets:platform-keys:turn': (role) => {
      allow(role, {
        sid: sidOf('secrets:platform-keys:turn'),
        actions: actionsOf('secrets:platform-keys:turn'),
        resources: [cursorKeyArn, identityKeyArn],
      });
      useKey(settings, dataKey, role, 'SealPlatformKeys', ['kms:Decrypt', 'kms:GenerateDataKey']);
    },
    'secrets:tenants:read': (role) => {
      allow(role, {
        sid: sidOf('secrets:tenants:read'),
        actions: actionsOf('secrets:tenants:read'),
        resources: [tenantSecrets],
        star,
      });
      useKey(settings, dataKey, role, 'OpenTenantSecrets', ['kms:Decrypt']);
    },
    'secrets:tenants:write': (role) => {
      allow(role, {
        sid: sidOf('secrets:tenants:write'),
        actions: actionsOf('secrets:tenants:write'),
        resources: [tenantSecrets],
        star,
      });
      useKey(settings, dataKey, role, 'SealTenantSecrets', ['kms:Decrypt', 'kms:GenerateDataKey']);
      if (standby === null) return;
      allow(role, {
        sid: 'SealTenantCopies',
        // Secrets Manager asks for the first of whoever lets it copy.
        actions: ['kms:Encrypt', 'kms:Decrypt', 'kms:GenerateDataKey'],
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
        resources: [signingKey.keyArn],
        conditions: { StringLike: { 'kms:EncryptionContext:purpose': 'signing-key:*' } },
      }),
    'signing-keys:make': (role) =>
      allow(role, {
        sid: sidOf('signing-keys:make'),
        actions: actionsOf('signing-keys:make'),
        resources: [signingKey.keyArn],
        conditions: { StringLike: { 'kms:EncryptionContext:purpose': 'signing-key:*' } },
      }),
  };
}
