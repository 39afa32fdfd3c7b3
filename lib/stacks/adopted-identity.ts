import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import {
  type Identity,
  type IdentityGrants,
  identityGrants,
  platformSecretName,
  tenantSecretsPrefix,
  useKey,
} from './identity.ts';
import { told, waitingSecretArn } from './waiting.ts';

/** Keys and secrets that wait: none is made, for what they sealed is there already. */
export class AdoptedIdentity extends Construct implements Identity {
  readonly dataKey: IKey;
  readonly logKey: IKey;
  readonly signingKey: IKey;
  readonly cursorKeySecret: string;
  readonly identityKeySecret: string;
  readonly tenantSecretsPrefix: string;
  /** The other region is lost. */
  readonly tenantSecretsCopy = '';
  readonly grants: IdentityGrants;
  private readonly settings: StageSettings;

  constructor(scope: Construct, id: string, settings: StageSettings) {
    super(scope, id);
    this.settings = settings;
    const key = (name: string, arn: string): IKey => Key.fromKeyArn(this, name, arn);
    this.dataKey = key('DataKey', told(settings, 'StandbyKeys', 'DataKeyArn'));
    this.logKey = key('LogKey', told(settings, 'Standby', 'LogKeyArn'));
    this.signingKey = key('SigningKey', told(settings, 'StandbyStores', 'SigningKeyArn'));
    this.cursorKeySecret = platformSecretName(settings, 'cursor-key');
    this.identityKeySecret = platformSecretName(settings, 'identity-key');
    this.tenantSecretsPrefix = tenantSecretsPrefix(settings);
    this.grants = identityGrants(settings, {
      dataKey: this.dataKey,
      signingKey: this.signingKey,
      cursorKeyArn: waitingSecretArn(settings, this.cursorKeySecret),
      identityKeyArn: waitingSecretArn(settings, this.identityKeySecret),
    });
  }

  allowKey(...[role, sid, actions, service]: Parameters<Identity['allowKey']>): void {
    useKey(this.settings, this.dataKey, role, sid, actions, service);
  }
}
