import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';
import { copiedBuckets, copyNameOf } from '#config/buckets.ts';
import type { StageSettings, StandbySettings } from '#config/stage-settings.ts';
import { Buckets } from './buckets.ts';
import { StageStack } from './stage-stack.ts';

/** Copies of buckets in the region that waits, made before anything is copied; locked as their originals. */
export class StandbyStoresStack extends StageStack {
  constructor(scope: Construct, home: StageSettings, standby: StandbySettings, key: IKey) {
    const settings: StageSettings = { ...home, region: standby.region, zones: standby.zones };
    super(scope, 'StandbyStores', settings, 'copies of buckets');
    new Buckets(this, 'Buckets', {
      settings,
      key,
      names: copiedBuckets,
      nameOf: (name) => copyNameOf(settings, name, standby.region),
    });
  }
}
