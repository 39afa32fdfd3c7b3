import * as Type from 'typebox';
import { DEAD_LETTER_STATUS_WORDS } from '#core/events/dead-letter-status.ts';
import { inWords } from '#core/in-words.ts';
import { naming } from '#core/naming.ts';
import { closed, nullable, oneOf, Timestamp, Uuid } from './common.ts';

export const DeadLetterStatus = oneOf(
  DEAD_LETTER_STATUS_WORDS,
  '`open`: nobody has seen to it; `redriven`: sent to its topic again; `discarded`: let be',
);
export const GroupName = inWords(
  '1 to 63 lower-case letters, digits and `-`, beginning with a letter',
  Type.String({
    pattern: '^[a-z][a-z0-9-]{0,62}$',
    description: 'a group of readers of a topic',
  }),
);
export const Fingerprint = naming(
  'fingerprint',
  inWords(
    '16 hexadecimal digits in lower case',
    Type.String({
      pattern: '^[0-9a-f]{16}$',
      description: 'the same for messages that failed for one cause',
    }),
  ),
);

const ErrorShape = closed({
  name: Type.String(),
  code: nullable(Type.String()),
});

export const DeadLetter = closed({
  dead_letter_id: Uuid,
  group: Type.String({ description: 'the readers that could not use it' }),
  topic: Type.String(),
  event_id: Uuid,
  event_type: nullable(Type.String()),
  error: ErrorShape,
  fingerprint: Fingerprint,
  attempts: Type.Integer({ minimum: 1 }),
  critical: Type.Boolean(),
  status: DeadLetterStatus,
  redrivable: Type.Boolean({ description: 'whether it can be sent again' }),
  first_at: Timestamp,
  last_at: Timestamp,
  due_at: Timestamp,
  closed_at: nullable(Timestamp),
  closed_by: nullable(Type.String()),
  reason: nullable(Type.String()),
});

export const DeadLetterPattern = closed({
  fingerprint: Fingerprint,
  group: Type.String(),
  event_type: nullable(Type.String()),
  error: ErrorShape,
  open: Type.Integer({ minimum: 1 }),
  first_at: Timestamp,
  last_at: Timestamp,
  next_due_at: Timestamp,
});

const Reason = inWords(
  'a string of 1 to 500 characters that are not all blanks',
  Type.String({ minLength: 1, maxLength: 500, pattern: '\\S' }),
);
export const RedriveBody = closed({ reason: Type.Optional(Reason) });
export const DiscardBody = closed({ reason: Reason });
