import type { Construct } from 'constructs';
import type { StageSettings } from '#config/stage-settings.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';
import { StageStack } from './stage-stack.ts';

interface ObservabilityStackProps {
  readonly around: Surroundings;
  readonly data: DataStack;
}

/** What tells people how the platform does. */
export class ObservabilityStack extends StageStack {
  constructor(scope: Construct, settings: StageSettings, props: ObservabilityStackProps) {
    super(scope, 'Observability', settings, 'what tells people how the platform does');
    const { around, data } = props;
    new ServiceFunction(this, 'Measure', {
      name: 'measure',
      around,
      environment: {
        STAGE: settings.stage,
        DATABASE_URL: data.databaseUrl,
        DATABASE_AUTH: 'iam',
      },
      grants: data.grants,
    });
  }
}
