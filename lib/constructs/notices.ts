import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { SnsTopic } from 'aws-cdk-lib/aws-events-targets';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Duration } from 'aws-cdk-lib/core';
import { Construct } from 'constructs';
import type { Priority } from '#config/alarms/alarm.ts';
import type { Notice } from '#config/notices.ts';

/** Rules that tell people by the topic of a priority, as alarms do. */
export class Notices extends Construct {
  constructor(
    scope: Construct,
    id: string,
    stage: string,
    notices: readonly Notice[],
    topics: { readonly [P in Priority]: ITopic },
  ) {
    super(scope, id);
    for (const { name, priority, about, page, when } of notices) {
      new Rule(this, name, {
        ruleName: `cloudflow-${stage}-${name}`,
        description: about,
        ...(when.kind === 'days'
          ? { schedule: Schedule.rate(Duration.days(when.every)) }
          : {
              eventPattern: {
                source: [when.source],
                detailType: [when.detailType],
                detail: { ...when.detail },
              },
            }),
        targets: [
          new SnsTopic(topics[priority], {
            message: RuleTargetInput.fromText(
              `CloudFlow ${stage} ${priority}: ${about}. See ${page}.`,
            ),
            retryAttempts: 3,
            maxEventAge: Duration.hours(1),
          }),
        ],
      });
    }
  }
}
