import type { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';
import { StageStack } from './stage-stack.ts';

/** What brings the platform back when something is lost, and proves beforehand that it will. */
export class RecoveryStack extends StageStack {
  constructor(
    scope: Construct,
    settings: StageSettings,
    { around, data }: { around: Surroundings; data: DataStack },
  ) {
    super(scope, 'Recovery', settings, 'backups, restores and their proof');
    new ServiceFunction(this, 'Integrity', {
      name: 'integrity',
      around,
      // The cluster itself: copies that are restored from it share its domain, the proxy does not.
      environment: { STAGE: settings.stage, DATABASE_URL: data.writerUrl, DATABASE_AUTH: 'iam' },
      grants: data.grants,
    });
  }
}
