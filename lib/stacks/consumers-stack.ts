import type { Construct } from 'constructs';
import { consumerNames } from '#config/consumers.ts';
import { FUNCTIONS } from '#config/functions.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { listenToTopic } from '#constructs/kafka-source.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { DataStack } from './data-stack.ts';
import type { EventsStack } from './events-stack.ts';
import { StageStack } from './stage-stack.ts';

/** What reads topics: one function and one group each, so that one which fails holds back no other. */
export class ConsumersStack extends StageStack {
  constructor(
    scope: Construct,
    settings: StageSettings,
    {
      around,
      data,
      events,
    }: {
      readonly around: Surroundings;
      readonly data: DataStack;
      readonly events: EventsStack;
    },
  ) {
    super(scope, 'Consumers', settings, 'readers of events');
    for (const name of consumerNames) {
      const reader = new ServiceFunction(this, name, {
        name,
        around,
        environment: {
          STAGE: settings.stage,
          DATABASE_URL: data.databaseUrl,
          DATABASE_AUTH: 'iam',
        },
        grants: data.grants,
      });
      const [trigger] = FUNCTIONS[name].triggers;
      listenToTopic(reader, events, trigger);
    }
  }
}
