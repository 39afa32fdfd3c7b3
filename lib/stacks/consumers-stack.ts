import type { Construct } from 'constructs';
import { type ConsumerName, consumerNames } from '#config/consumers.ts';
import { FUNCTIONS } from '#config/functions.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { listenToTopic } from '#constructs/kafka-source.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import type { ApiStack } from './api-stack.ts';
import type { DataStack } from './data-stack.ts';
import type { EventsStack } from './events-stack.ts';
import type { Identity } from './identity.ts';
import type { NotificationsStack } from './notifications-stack.ts';
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
      identity,
      api,
      notifications,
    }: {
      readonly around: Surroundings;
      readonly data: DataStack;
      /** Null: what reads events runs beside the engine. */
      readonly events: EventsStack | null;
      readonly identity: Identity;
      readonly api: Pick<ApiStack, 'publicUrl'>;
      readonly notifications: NotificationsStack;
    },
  ) {
    super(scope, 'Consumers', settings, 'readers of events, and what fills the cache');
    const environment = {
      STAGE: settings.stage,
      DATABASE_URL: data.databaseUrl,
      DATABASE_AUTH: 'iam',
    };
    const cache = { CACHE_URL: data.cacheUrl, CACHE_AUTH: 'iam' };
    const { grants } = data;
    const mail = {
      PUBLIC_URL: api.publicUrl,
      ...notifications.told,
    };
    const reader = (name: ConsumerName): ServiceFunction<ConsumerName> => {
      switch (name) {
        case 'cache-invalidation':
          return new ServiceFunction(this, name, {
            ...{ name, around, grants },
            environment: { ...environment, ...cache },
          });
        case 'mail':
          return new ServiceFunction(this, name, {
            ...{ name, around },
            environment: { ...environment, ...mail },
            grants: { ...grants, ...notifications.grants },
          });
        default:
          return new ServiceFunction(this, name, { name, around, environment, grants });
      }
    };
    for (const name of events === null ? [] : consumerNames) {
      const [trigger] = FUNCTIONS[name].triggers;
      if (events !== null) listenToTopic(reader(name), events, trigger);
    }
    new ServiceFunction(this, 'WarmCaches', {
      name: 'warm-caches',
      around,
      environment: {
        ...environment,
        ...cache,
        CURSOR_KEY_SECRET: identity.cursorKeySecret,
      },
      grants: { ...grants, ...identity.grants },
    });
  }
}
