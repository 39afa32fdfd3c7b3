import { Key } from 'aws-cdk-lib/aws-kms';
import { CfnSecret, type Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import type { StageSettings, StandbySettings } from '#config/stage-settings.ts';
import { StageStack } from './stage-stack.ts';
import { tell } from './waiting.ts';

/**
 * What data is sealed with in the region that waits to take over. It is known by its alias, so that no
 * stack of another region has to ask for its id.
 */
export class StandbyKeysStack extends StageStack {
  readonly dataKey: Key;

  constructor(scope: Construct, settings: StageSettings, standby: StandbySettings) {
    super(
      scope,
      'StandbyKeys',
      { ...settings, region: standby.region, zones: standby.zones },
      'keys of the standby region',
    );
    this.dataKey = new Key(this, 'DataKey', {
      alias: dataKeyAlias(settings),
      description: `CloudFlow ${settings.stage}: copies of data at rest`,
      enableKeyRotation: true,
      removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    tell(this, 'StandbyKeys', { DataKeyArn: this.dataKey.keyArn });
  }
}

/** The key of data in a region, by its alias. */
export function standbyKeyArn(settings: StageSettings, region: string): string {
  return `arn:aws:kms:${region}:${settings.account}:alias/${dataKeyAlias(settings)}`;
}

/** Has Secrets Manager keep a copy there, under the same name, which follows every change. */
export function copySecret(secret: Secret, settings: StageSettings, { region }: StandbySettings) {
  const made = secret.node.defaultChild;
  if (!(made instanceof CfnSecret)) throw new TypeError('a secret is made of another resource');
  made.replicaRegions = [{ region, kmsKeyId: standbyKeyArn(settings, region) }];
}

/** Without `alias/`. */
export function dataKeyAlias({ stage }: StageSettings): string {
  return `cloudflow/${stage}/data`;
}
