import { DUE_MS } from '#config/consumers.ts';
import { METRICS } from '#config/metrics.ts';
import type { ParsedEvent } from '#core/events/parse.ts';
import { derivedIdAt } from '#core/ids.ts';
import type { Clock } from '#ports/clock.ts';
import type { DeadLetterBox } from '#ports/dead-letters.ts';
import type { LogBatch, LogMessage } from '#ports/event-log.ts';
import type { Metrics } from '#ports/metrics.ts';
import { fingerprintOf, plainErrorOf } from './fingerprint.ts';

export interface LayAsideDeps {
  readonly deadLetters: DeadLetterBox;
  readonly clock: Pick<Clock, 'now'>;
  readonly metrics: Metrics;
}

/** What a reader gave up, and why. */
export interface GivenUp {
  readonly group: string;
  readonly critical: boolean;
  readonly message: LogMessage;
  readonly parsed: ParsedEvent;
  readonly error: unknown;
  readonly attempts: number;
  /** Whether it can be sent again: no more than an event, and not what no broker takes. */
  readonly again: boolean;
}

/** Lays a message aside; the letter is the same one however often that is done. */
export async function layAside(
  { deadLetters, clock, metrics }: LayAsideDeps,
  { topic, partition }: Pick<LogBatch, 'topic' | 'partition'>,
  { group, critical, message, parsed, error, attempts, again }: GivenUp,
): Promise<void> {
  const event = parsed.kind === 'event' ? parsed.event : null;
  const eventType = event?.event_type ?? null;
  const now = clock.now();
  const eventId = event?.event_id ?? derivedIdAt(0, `${topic}/${partition}/${message.offset}`);
  await deadLetters.lay({
    id: derivedIdAt(
      event === null ? message.at : Date.parse(event.timestamp),
      `${group}/${eventId}`,
    ),
    tenant: event?.tenant_id ?? message.tenant,
    mode: event?.payload.mode ?? 'live',
    ...{ group, topic, key: message.key, eventId, eventType },
    value: again && event !== null ? message.value : null,
    error: plainErrorOf(error),
    fingerprint: fingerprintOf(group, eventType, error),
    ...{ attempts, critical, now, dueAt: now + (critical ? DUE_MS.critical : DUE_MS.other) },
  });
  metrics.add(METRICS.DeadLettersLaid, { Group: group }, 1);
}
