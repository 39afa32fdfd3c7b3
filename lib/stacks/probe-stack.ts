import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { FUNCTIONS } from '#config/functions.ts';
import type { StageSettings, StandbySettings } from '#config/stage-settings.ts';
import { ServiceFunction } from '#constructs/service-function.ts';
import type { ApiStack } from './api-stack.ts';
import { StageStack } from './stage-stack.ts';
import type { StandbyStack } from './standby-stack.ts';

interface ProbeStackProps {
  readonly waits: StandbyStack;
  readonly api: Pick<ApiStack, 'publicUrl'>;
}

/**
 * Asks from the region that waits whether the one that serves answers, and needs nothing of that but its
 * address, which is read at deployment: so it stands apart from what takes over, and comes last.
 */
export class ProbeStack extends StageStack {
  constructor(
    scope: Construct,
    home: StageSettings,
    standby: StandbySettings,
    { waits, api }: ProbeStackProps,
  ) {
    const settings = { ...home, region: standby.region, zones: standby.zones };
    super(scope, 'Probe', settings, 'what asks whether the other region answers');
    // Its log is looked through, and what is found is told in a log of that stack.
    this.addStackDependency(waits);
    const probe = new ServiceFunction<'probe'>(this, 'Probe', {
      name: 'probe',
      around: waits.around,
      environment: { STAGE: settings.stage, PUBLIC_URL: api.publicUrl },
      grants: {},
    });
    const [{ everyMinutes }] = FUNCTIONS.probe.triggers;
    new Rule(this, 'Minute', {
      ruleName: `cloudflow-${settings.stage}-probe`,
      description: probe.spec.about,
      schedule: Schedule.rate(Duration.minutes(everyMinutes)),
      targets: [
        // One that is late would ask beside the next.
        new LambdaTarget(probe.live, { retryAttempts: 0, maxEventAge: Duration.minutes(1) }),
      ],
    });
  }
}
