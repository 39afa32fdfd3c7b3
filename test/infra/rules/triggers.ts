import { functionNames, functionSpec, functionsOf } from '#config/functions.ts';
import { DEAD_TICKS, QUEUES } from '#config/queues.ts';
import { TOPICS } from '#config/topics.ts';
import type { Trigger } from '#config/triggers.ts';
import type { Synthesised } from '../synth.ts';
import {
  calledBy,
  clocksOf,
  entriesOf,
  functionOf,
  invokedBy,
  list,
  nameOf,
  type Rule,
  referred,
  roleAt,
  stackOf,
} from './view.ts';

type OfKind<K extends Trigger['kind']> = Extract<Trigger, { readonly kind: K }>;

function triggers<K extends Trigger['kind']>(kind: K) {
  return functionNames.flatMap((name) =>
    functionSpec(name)
      .triggers.filter((each): each is OfKind<K> => each.kind === kind)
      .map((trigger) => ({ name, trigger })),
  );
}

/** What is wanted and not there, and what is there and not wanted. */
function compare(
  what: string,
  there: readonly string[],
  wanted: readonly string[],
): readonly string[] {
  return [
    ...wanted.filter((each) => !there.includes(each)).map((each) => `no ${what}: ${each}`),
    ...there.filter((each) => !wanted.includes(each)).map((each) => `unasked ${what}: ${each}`),
  ];
}

const schedules = (made: Synthesised): readonly string[] =>
  compare(
    'clock',
    clocksOf(made).map(([id, { Properties }]) => {
      const target = (Properties['Target'] as { Arn: unknown }).Arn;
      return `${invokedBy(made, stackOf(id), target)} ${String(Properties['ScheduleExpression'])}`;
    }),
    triggers('schedule').map(
      ({ name, trigger: { everyMinutes } }) =>
        `${name} rate(${everyMinutes} ${everyMinutes === 1 ? 'minute' : 'minutes'})`,
    ),
  );

/** Mappings of topics, or of queues. */
const sources = (made: Synthesised, ofTopics: boolean) =>
  entriesOf(made, 'AWS::Lambda::EventSourceMapping').filter(
    ([, { Properties }]) => 'Topics' in Properties === ofTopics,
  );

const readers = (made: Synthesised): readonly string[] =>
  compare(
    'mapping',
    sources(made, true).map(([id, { Properties }]) => {
      const of = Properties['AmazonManagedKafkaEventSourceConfig'] as { ConsumerGroupId: string };
      const topics = (Properties['Topics'] as readonly string[]).join();
      return `${invokedBy(made, stackOf(id), Properties['FunctionName'])} of ${topics} in ${of.ConsumerGroupId}`;
    }),
    // without Kafka they run beside the engine
    triggers('kafka')
      .filter(({ name }) => functionsOf(made.settings).includes(name))
      .map(({ name, trigger }) => `${name} of ${trigger.topic} in ${trigger.group}`),
  );

const mappings = (made: Synthesised): readonly string[] =>
  compare(
    'mapping',
    sources(made, false).map(([id, { Properties }]) => {
      const scaling = Properties['ScalingConfig'] as { MaximumConcurrency?: number } | undefined;
      return `${invokedBy(made, stackOf(id), Properties['FunctionName'])} by ${String(Properties['BatchSize'])}, ${scaling?.MaximumConcurrency} at a time`;
    }),
    triggers('queue').map(
      ({ name, trigger }) => `${name} by ${trigger.batchSize}, ${trigger.maxConcurrency} at a time`,
    ),
  );

const ends = (made: Synthesised): readonly string[] => {
  const wanted = triggers('machine-status');
  const allowed = entriesOf(made, 'AWS::Lambda::Permission')
    .filter(([, { Properties }]) => Properties['Principal'] === 'events.amazonaws.com')
    .map(([id, { Properties }]) =>
      String(invokedBy(made, stackOf(id), Properties['FunctionName'])),
    );
  return [
    ...compare(
      'rule',
      entriesOf(made, 'AWS::Events::Rule').flatMap(([id, { Properties }]) => {
        const pattern = Properties['EventPattern'] as
          | {
              readonly source: readonly string[];
              readonly detail: { readonly status?: readonly string[] };
            }
          | undefined;
        if (!pattern?.source.includes('aws.states')) return [];
        const targets = Properties['Targets'] as readonly { readonly Arn: unknown }[];
        return targets.map(
          ({ Arn }) => `${invokedBy(made, stackOf(id), Arn)} of ${pattern.detail.status?.join()}`,
        );
      }),
      wanted.map(({ name, trigger }) => `${name} of ${trigger.statuses.join()}`),
    ),
    ...entriesOf(made, 'AWS::Events::Rule')
      .flatMap(([id, { Properties }]) =>
        list((Properties['Targets'] ?? []) as readonly { readonly Arn: unknown }[]).map(({ Arn }) =>
          invokedBy(made, stackOf(id), Arn),
        ),
      )
      .filter((name) => name !== null && !allowed.includes(name))
      .map((name) => `EventBridge may not invoke ${name}`),
  ];
};

const deployments = (made: Synthesised): readonly string[] => {
  const invoked = made
    .ofType('Custom::Trigger')
    .map(({ Properties }) => (Properties['HandlerArn'] as { Ref: string }).Ref);
  return triggers('deploy')
    .filter(({ trigger }) => made.settings.takesOver === null || trigger.atHome !== true)
    .filter(({ name }) => {
      const [id] =
        entriesOf(made, 'AWS::Lambda::Function').find(
          ([, { Properties }]) => Properties['FunctionName'] === nameOf(made, name),
        ) ?? [];
      const logical = id?.slice(id.indexOf('/') + 1).replace(/[0-9A-F]{8}$/, '') ?? '?';
      return !invoked.some((version) => version.startsWith(`${logical}CurrentVersion`));
    })
    .map(({ name }) => `no deployment invokes ${name}`);
};

const authorizers = (made: Synthesised): readonly string[] => [
  ...compare(
    'authorizer',
    entriesOf(made, 'AWS::ApiGateway::Authorizer').map(
      ([id, { Properties }]) =>
        `${invokedBy(made, stackOf(id), Properties['AuthorizerUri'])} kept ${String(Properties['AuthorizerResultTtlInSeconds'])} s`,
    ),
    triggers('authorizer').map(({ name, trigger }) => `${name} kept ${trigger.keptSeconds} s`),
  ),
  ...triggers('authorizer')
    .filter(({ trigger: { keptSeconds } }) => keptSeconds > 60)
    .map(({ name }) => `what ${name} answers is kept for more than a minute`),
];

const steps = (made: Synthesised): readonly string[] =>
  triggers('machine-task')
    .filter(({ name }) => functionOf(made, name) === undefined)
    .map(({ name }) => `machines have no ${name}`);

const platformSteps = (made: Synthesised): readonly string[] =>
  triggers('platform-task')
    .filter(({ name }) => functionsOf(made.settings).includes(name))
    .filter(({ name }) => functionOf(made, name) === undefined)
    .map(({ name }) => `machines of the platform have no ${name}`);

const watches = (made: Synthesised): readonly string[] =>
  compare(
    'rule by the minute',
    entriesOf(made, 'AWS::Events::Rule').flatMap(([id, { Properties }]) =>
      (Properties['Targets'] as readonly { readonly Arn: unknown }[]).flatMap(({ Arn }) => {
        const name = invokedBy(made, stackOf(id), Arn);
        const when = Properties['ScheduleExpression'];
        return name === null || when === undefined ? [] : [`${name} ${String(when)}`];
      }),
    ),
    triggers('watch')
      .filter(({ name }) => functionsOf(made.settings).includes(name))
      .map(
        ({ name, trigger: { everyMinutes } }) =>
          `${name} rate(${everyMinutes} ${everyMinutes === 1 ? 'minute' : 'minutes'})`,
      ),
  );

/** How each kind of trigger is seen in templates: a kind without a line does not compile. */
const SEEN: { readonly [K in Trigger['kind']]: ((made: Synthesised) => readonly string[]) | null } =
  {
    // rules/routes.ts
    http: null,
    // rules/sockets.ts
    socket: null,
    authorizer: authorizers,
    'machine-task': steps,
    schedule: schedules,
    queue: mappings,
    kafka: readers,
    'machine-status': ends,
    // By a permission of whoever operates: rules/permissions.ts
    operation: null,
    'platform-task': platformSteps,
    watch: watches,
    deploy: deployments,
  };

export const TRIGGERS: Rule = {
  name: 'starts every function by what the registry says, and by nothing else',
  problems: (made) => Object.values(SEEN).flatMap((seen) => seen?.(made) ?? []),
};

/** Of one schedule: how a tick is handed over. */
interface Target {
  readonly Arn: unknown;
  readonly RoleArn: unknown;
  readonly RetryPolicy?: { readonly MaximumEventAgeInSeconds?: number };
  readonly DeadLetterConfig?: { readonly Arn: unknown };
}

export const TICKS: Rule = {
  name: 'hands every tick over at its minute, by a role of its own, and keeps the one that came to nothing',
  problems: (made) => {
    const isKept = (stack: string, value: unknown): boolean =>
      referred(made, stack, value).some((id) => id.includes('DeadTicks'));
    const given = entriesOf(made, 'AWS::Lambda::EventInvokeConfig').map(([id, { Properties }]) => ({
      name: calledBy(made, stackOf(id), Properties['FunctionName']),
      qualifier: Properties['Qualifier'],
      kept: isKept(stackOf(id), Properties['DestinationConfig']),
    }));
    const clocks = clocksOf(made).map(([id, { Properties }]) => {
      const target = Properties['Target'] as Target;
      const window = Properties['FlexibleTimeWindow'] as { readonly Mode: string };
      return {
        name: invokedBy(made, stackOf(id), target.Arn),
        role: roleAt(stackOf(id), target.RoleArn),
        problems: [
          ...(window.Mode === 'OFF' ? [] : ['may be late']),
          ...(target.RetryPolicy?.MaximumEventAgeInSeconds === undefined ? ['has no age'] : []),
          ...(isKept(stackOf(id), target.DeadLetterConfig) ? [] : ['has no dead letters']),
        ],
      };
    });
    return triggers('schedule').flatMap(({ name }) => {
      const clock = clocks.find((each) => each.name === name);
      const shared = clocks.filter(({ role }) => role === clock?.role).length > 1;
      const kept = given.some(
        (each) => each.name === name && each.qualifier === 'live' && each.kept,
      );
      return [
        ...(clock?.problems ?? []).map((problem) => `the clock of ${name} ${problem}`),
        ...(shared ? [`the clock of ${name} has no role of its own`] : []),
        ...(kept ? [] : [`ticks that ${name} could not use are not kept`]),
      ];
    });
  },
};

export const QUEUES_WITH_DEAD_LETTERS: Rule = {
  name: 'has every queue with dead letters, sealed, for TLS only',
  problems: (made) => {
    const queues = made.ofType('AWS::SQS::Queue');
    const sealed = queues.filter(({ Properties }) => Properties['SqsManagedSseEnabled'] === true);
    return [
      ...compare(
        'queue',
        sealed.map(({ Properties }) => String(Properties['QueueName'])),
        Object.keys(QUEUES)
          .flatMap((name) => [nameOf(made, name), nameOf(made, `${name}-dead`)])
          .concat(nameOf(made, DEAD_TICKS)),
      ),
      ...(made.ofType('AWS::SQS::QueuePolicy').length === queues.length
        ? []
        : ['a queue has no policy that asks for TLS']),
    ];
  },
};

export const TOPICS_OF_THE_LOG: Rule = {
  name: 'has every topic of the registry, and no other',
  problems: (made) =>
    compare(
      'topic',
      made.ofType('AWS::MSK::Topic').map(({ Properties }) => String(Properties['TopicName'])),
      made.settings.events === null ? [] : Object.keys(TOPICS),
    ),
};
