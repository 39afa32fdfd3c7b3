/**
 * What every reader of a topic does around what it makes of events.
 *
 *  C1 events of a batch have their effects in order; a batch that fails is halved until the one that fails
 *     is alone, so its neighbours wait for nobody;
 *  C2 what fails is tried again three times, after pauses; then it is laid aside and the reader goes on;
 *  C3 while a part of ours is away nothing is laid aside: the batch comes again, from where it failed;
 *  C4 what is no event as its schema says is laid aside at once, and what is of an unknown type is not
 *     for this reader;
 *  C5 whose effect the database cannot take back (`alone`) gets one message at a time, so that a neighbour's
 *     failure repeats nothing;
 *  C6 what is made of an event is told in the trace of what caused it, however many come together.
 */
import { type ConsumerSpec, RETRY_PAUSES_MS } from '#config/consumers.ts';
import { METRICS } from '#config/metrics.ts';
import { type ParsedEvent, parseEvent } from '#core/events/parse.ts';
import { parseTrace } from '#core/trace.ts';
import type { Clock } from '#ports/clock.ts';
import type { LogBatch, LogMessage } from '#ports/event-log.ts';
import type { Log } from '#ports/log.ts';
import type { Projection } from '#ports/projections.ts';
import type { Span, Tracer } from '#ports/tracer.ts';
import { type LayAsideDeps, layAside } from './lay-aside.ts';

export interface ConsumeDeps extends LayAsideDeps {
  readonly spec: ConsumerSpec;
  readonly projection: Projection;
  /** Whether an error says that a part of ours is away, and nothing of the event. */
  readonly isUnavailable: (error: unknown) => boolean;
  /** Whether no further try can succeed. Default: one may. */
  readonly isFinal?: (error: unknown) => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracer: Tracer;
}

interface Item {
  readonly message: LogMessage;
  readonly parsed: ParsedEvent;
}

/** Handles a batch; answers how many from the first on need not come again. */
export function createConsumer(deps: ConsumeDeps): (batch: LogBatch) => Promise<number> {
  const { spec, projection, clock, log, metrics, tracer, isFinal = () => false } = deps;
  const Group = spec.group;
  const givenUp = new WeakSet<Item>();

  async function apply(items: readonly Item[]): Promise<void> {
    const events = items.flatMap(({ parsed }) => (parsed.kind === 'event' ? [parsed.event] : []));
    if (events.length === 0) return;
    const fresh = await projection.apply(events);
    metrics.add(METRICS.EventsHandled, { Group }, fresh);
  }

  async function giveUp(
    batch: LogBatch,
    item: Item,
    error: unknown,
    attempts: number,
  ): Promise<void> {
    const { group, critical } = spec;
    givenUp.add(item);
    await layAside(deps, batch, { ...item, group, critical, error, attempts, again: true });
    log.error('EVENT_GIVEN_UP', { group, topic: batch.topic, count: attempts, error });
  }

  /** True: the item is dealt with. */
  async function alone(batch: LogBatch, item: Item): Promise<boolean> {
    const { parsed } = item;
    if (parsed.kind === 'invalid') {
      await giveUp(batch, item, new InvalidEvent(parsed.where, parsed.problem), 1);
      return true;
    }
    for (let attempt = 1; ; attempt++) {
      try {
        await apply([item]);
        return true;
      } catch (error) {
        if (deps.isUnavailable(error)) return false;
        const pause = isFinal(error) ? undefined : RETRY_PAUSES_MS[attempt - 1];
        if (pause === undefined) {
          await giveUp(batch, item, error, attempt);
          return true;
        }
        await new Promise<void>((resolve) => clock.after(pause, resolve));
      }
    }
  }

  async function oneByOne(batch: LogBatch, items: readonly Item[]): Promise<number> {
    for (const [done, item] of items.entries()) if (!(await alone(batch, item))) return done;
    return items.length;
  }

  /** How many from the first on are dealt with. */
  async function handle(batch: LogBatch, items: readonly Item[]): Promise<number> {
    const [first] = items;
    if (first === undefined) return 0;
    if (items.length === 1) return (await alone(batch, first)) ? 1 : 0;
    if (spec.alone === true) return oneByOne(batch, items);
    if (items.every(({ parsed }) => parsed.kind !== 'invalid')) {
      try {
        await apply(items);
        return items.length;
      } catch (error) {
        if (deps.isUnavailable(error)) return 0;
      }
    }
    const half = items.length >> 1;
    const done = await handle(batch, items.slice(0, half));
    return done < half ? done : half + (await handle(batch, items.slice(half)));
  }

  function beginSpan({ parsed }: Item): Span | null {
    const under = parsed.kind === 'event' ? parseTrace(parsed.event.metadata.trace) : null;
    return under === null ? null : tracer.begin('event', under);
  }

  function endSpan(span: Span | null, item: Item, isDone: boolean): void {
    if (span === null || item.parsed.kind !== 'event') return;
    const outcome = givenUp.has(item) ? 'error' : 'ok';
    const event_type = item.parsed.event.event_type;
    span.end(isDone ? outcome : 'fault', { group: spec.group, event_type });
  }

  return async (batch) => {
    const items = batch.messages.map((message) => {
      const parsed = parseEvent(message.value);
      return { message, parsed };
    });
    const spans = items.map(beginSpan);
    let done = 0;
    try {
      done = await handle(batch, items);
      return done;
    } finally {
      for (const [at, item] of items.entries()) endSpan(spans[at] ?? null, item, at < done);
    }
  };
}

/** What came is no event of the platform. */
export class InvalidEvent extends Error {
  readonly code = 'EVENT_INVALID';
  constructor(where: string, problem: string) {
    super(`${where === '' ? 'it' : where} ${problem}`);
    this.name = 'InvalidEvent';
  }
}
