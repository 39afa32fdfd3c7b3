import type { Query, ResponseBody } from '#contract/routes.ts';
import type { AuditFacts, SealedEvent } from '#core/audit-chain.ts';
import type { AuditTrail, SignedHead } from '#ports/audit-trail.ts';
import type { Principal } from '../identity/principal.ts';
import type { Cursors } from '../shared/cursor.ts';
import { iso } from '../shared/present.ts';

export interface ReadAuditDeps {
  readonly trail: Pick<AuditTrail, 'list' | 'heads'>;
  readonly cursors: Cursors;
}

export async function listAuditEvents(
  deps: ReadAuditDeps,
  principal: Principal,
  query: Query<'listAuditEvents'>,
): Promise<ResponseBody<'listAuditEvents'>> {
  const scope = { principal, operation: 'listAuditEvents' };
  const filter = {
    actor: query.actor ?? null,
    operation: query.operation ?? null,
    target: query.target ?? null,
    outcome: query.outcome ?? null,
    from: query.from === undefined ? null : Date.parse(query.from),
    to: query.to === undefined ? null : Date.parse(query.to),
    order: query.order ?? 'newest',
  } as const;
  const request = deps.cursors.request(scope, query);
  const found = await deps.trail.list(principal.tenant, filter, request);
  return deps.cursors.page(scope, query, found, presentEvent);
}

export async function listAuditHeads(
  deps: ReadAuditDeps,
  principal: Principal,
  query: Query<'listAuditHeads'>,
): Promise<ResponseBody<'listAuditHeads'>> {
  const scope = { principal, operation: 'listAuditHeads' };
  const found = await deps.trail.heads(principal.tenant, deps.cursors.request(scope, query));
  return deps.cursors.page(scope, query, found, presentHead);
}

type EventBody = ResponseBody<'listAuditEvents'>['items'][number];
type HeadBody = ResponseBody<'listAuditHeads'>['items'][number];

function presentEvent({ seq, content, personal, hash }: SealedEvent): EventBody {
  const facts = JSON.parse(content) as AuditFacts;
  return {
    seq,
    id: facts.id,
    at: iso(facts.at),
    actor: facts.actor,
    mode: facts.mode,
    operation: facts.operation,
    target: facts.target,
    outcome: facts.outcome,
    code: facts.code,
    request_id: facts.request_id,
    correlation_id: facts.correlation_id,
    details: facts.details,
    source: textOf(personal?.['source']),
    client: textOf(personal?.['client']),
    content,
    personal,
    hash,
  };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function presentHead({ tenant: _tenant, at, ...head }: SignedHead): HeadBody {
  return { ...head, at: iso(at) };
}
