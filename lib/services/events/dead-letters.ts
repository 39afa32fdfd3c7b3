import type { Body, Query, ResponseBody } from '#contract/routes.ts';
import { CloudFlowError } from '#core/errors.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  Closing,
  DeadLetter,
  DeadLetterPattern,
  DeadLetterScope,
  DeadLetters,
} from '#ports/dead-letters.ts';
import type { Principal } from '../identity/principal.ts';
import type { Cursors } from '../shared/cursor.ts';
import { iso } from '../shared/present.ts';
import { notFound } from '../shared/problems.ts';

export interface DeadLetterDeps {
  readonly deadLetters: DeadLetters;
  readonly cursors: Cursors;
  readonly clock: Clock;
}

type Shown = ResponseBody<'getDeadLetter'>;

function scopeOf({ tenant, mode }: Principal): DeadLetterScope {
  return { tenant, mode };
}

export async function listDeadLetters(
  deps: DeadLetterDeps,
  principal: Principal,
  query: Query<'listDeadLetters'>,
): Promise<ResponseBody<'listDeadLetters'>> {
  const scope = { principal, operation: 'listDeadLetters' };
  const found = await deps.deadLetters.list(
    scopeOf(principal),
    {
      status: query.status ?? null,
      group: query.group ?? null,
      fingerprint: query.fingerprint ?? null,
    },
    deps.cursors.request(scope, query),
  );
  return deps.cursors.page(scope, query, found, present);
}

export async function listDeadLetterPatterns(
  deps: DeadLetterDeps,
  principal: Principal,
  query: Query<'listDeadLetterPatterns'>,
): Promise<ResponseBody<'listDeadLetterPatterns'>> {
  const found = await deps.deadLetters.patterns(scopeOf(principal), query.limit ?? 50);
  return { items: found.map(presentPattern) };
}

export async function getDeadLetter(
  deps: DeadLetterDeps,
  principal: Principal,
  id: string,
): Promise<Shown> {
  const found = await deps.deadLetters.find(scopeOf(principal), id);
  if (found === null) throw notFound('dead letter');
  return present(found);
}

export async function redriveDeadLetter(
  deps: DeadLetterDeps,
  principal: Principal,
  id: string,
  { reason }: Body<'redriveDeadLetter'>,
): Promise<Shown> {
  const scope = scopeOf(principal);
  const before = await open(deps, scope, id);
  if (!before.redrivable) {
    throw new CloudFlowError(
      'DEAD_LETTER_UNSENDABLE',
      'it was no event, or there is nothing to send again; discard it',
    );
  }
  const by = closing(deps, principal, reason ?? null);
  return done(await deps.deadLetters.redrive(scope, id, by), by, 'redriven');
}

export async function discardDeadLetter(
  deps: DeadLetterDeps,
  principal: Principal,
  id: string,
  { reason }: Body<'discardDeadLetter'>,
): Promise<Shown> {
  const scope = scopeOf(principal);
  await open(deps, scope, id);
  const by = closing(deps, principal, reason);
  return done(await deps.deadLetters.discard(scope, id, by), by, 'discarded');
}

async function open(
  { deadLetters }: DeadLetterDeps,
  scope: DeadLetterScope,
  id: string,
): Promise<DeadLetter> {
  const found = await deadLetters.find(scope, id);
  if (found === null) throw notFound('dead letter');
  if (found.status !== 'open') throw closed(found);
  return found;
}

function closing({ clock }: DeadLetterDeps, { subject }: Principal, reason: string | null) {
  return { actor: subject, reason, now: clock.now() } satisfies Closing;
}

/** Another caller may have closed it in between. */
function done(after: DeadLetter | null, by: Closing, status: 'redriven' | 'discarded'): Shown {
  if (after === null) throw notFound('dead letter');
  if (after.status !== status || after.closedBy !== by.actor || after.closedAt !== by.now) {
    throw closed(after);
  }
  return present(after);
}

function closed({ status, closedAt }: DeadLetter): CloudFlowError {
  const at = closedAt === null ? '' : ` at ${iso(closedAt)}`;
  return new CloudFlowError('DEAD_LETTER_CLOSED', `it was ${status}${at}`);
}

function present(letter: DeadLetter): Shown {
  return {
    dead_letter_id: letter.id,
    group: letter.group,
    topic: letter.topic,
    event_id: letter.eventId,
    event_type: letter.eventType,
    error: letter.error,
    fingerprint: letter.fingerprint,
    attempts: letter.attempts,
    critical: letter.critical,
    status: letter.status,
    redrivable: letter.redrivable,
    first_at: iso(letter.firstAt),
    last_at: iso(letter.lastAt),
    due_at: iso(letter.dueAt),
    closed_at: letter.closedAt === null ? null : iso(letter.closedAt),
    closed_by: letter.closedBy,
    reason: letter.reason,
  };
}

function presentPattern(
  pattern: DeadLetterPattern,
): ResponseBody<'listDeadLetterPatterns'>['items'][number] {
  return {
    fingerprint: pattern.fingerprint,
    group: pattern.group,
    event_type: pattern.eventType,
    error: pattern.error,
    open: pattern.open,
    first_at: iso(pattern.firstAt),
    last_at: iso(pattern.lastAt),
    next_due_at: iso(pattern.nextDueAt),
  };
}
