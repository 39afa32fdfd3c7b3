import * as Type from 'typebox';
import { LIMITS } from '#core/dsl/limits.ts';
import { HELD_BECAUSE } from '#core/execution/held.ts';
import { closed, nullable, oneOf, Timestamp } from './common.ts';

const Concurrency = Type.Integer({
  minimum: 1,
  maximum: LIMITS.concurrency,
  description:
    'executions that may run at once; children that a step waits for run in the place of their parent and are not counted',
});
const Starts = closed(
  {
    count: Type.Integer({ minimum: 1, maximum: LIMITS.starts }),
    per_seconds: Type.Integer({
      minimum: LIMITS.startsPerLeastMs / 1_000,
      maximum: LIMITS.startsPerMs / 1_000,
    }),
  },
  { description: 'executions that may begin within any span of so many seconds' },
);
const MaxWaiting = Type.Integer({
  minimum: 1,
  maximum: LIMITS.waitingStarts,
  description: `starts that may wait, ${LIMITS.waitingStarts} where nothing is said; one beyond is refused`,
});

/** What is not named is not limited. */
export const SetLimitsBody = closed({
  concurrency: Type.Optional(Concurrency),
  starts: Type.Optional(Starts),
  max_waiting: Type.Optional(MaxWaiting),
});

const Limits = {
  concurrency: nullable(Concurrency),
  // The definition counts in milliseconds.
  starts: nullable(closed({ count: Type.Integer(), per_seconds: Type.Number() })),
  max_waiting: nullable(MaxWaiting),
};

export const StartLimits = closed({
  declared: {
    ...nullable(closed(Limits)),
    description: 'what the definition of the highest version says; null: nothing',
  },
  set: {
    ...nullable(
      closed({
        ...Limits,
        at: Timestamp,
        by: Type.String({ description: 'who set it: `user:` or `key:` and an id' }),
      }),
    ),
    description: 'what was set; where both say something the stricter holds',
  },
  running: Type.Integer({
    description:
      'executions that have begun and not ended, without children that a step waits for; 10,000 at most',
  }),
  waiting: Type.Integer({ description: 'starts that wait; 10,000 at most' }),
  oldest_waiting: nullable({
    ...Timestamp,
    description: 'when the one of them that was accepted first was',
  }),
});

export const Held = closed({
  because: oneOf(
    HELD_BECAUSE,
    '`counting`: what runs is being counted, for a limit is new; `turn`: others go first, or it goes now',
  ),
  place: Type.Integer({ description: 'among those of its workflow that wait: 1 is next' }),
  waiting: Type.Integer({ description: 'how many of its workflow wait; 10,000 at most' }),
  limit: nullable(Type.Integer({ description: 'executions that may run at once' })),
  running: nullable(Type.Integer({ description: 'and that do' })),
  until: nullable({ ...Timestamp, description: 'when its rate lets the next begin' }),
});
