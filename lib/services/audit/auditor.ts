/**
 * Tells the audit trail what is asked of the platform, by whom, and what became of it.
 *
 *  T1 a change is told before it is made and again when it has ended: none is made unless that is durable,
 *     and a crash in between leaves an event that says so. Only a change that must be made to learn whose
 *     it is (a refresh token is traded) is told after it, and before its answer leaves;
 *  T2 whoever is shown data of people is told before the answer leaves, and once a minute where the same
 *     caller looks at the same thing again and again;
 *  T3 a refusal is told whatever the route is. Of callers who have not proven who they are, so many a
 *     second and tenant, and of one who calls too often one a second: what is beyond is counted and told
 *     with the next, so a flood fills no table.
 */
import { LRUCache } from 'lru-cache';
import { METRICS } from '#config/metrics.ts';
import type { Route } from '#contract/route.ts';
import { type AuditFacts, type AuditOutcome, PLATFORM_TENANT } from '#core/audit-chain.ts';
import { API_ERRORS, type ApiErrorCode } from '#core/errors.ts';
import type { JsonObject } from '#core/json.ts';
import type { AuditEntry, AuditTrail } from '#ports/audit-trail.ts';
import type { Clock } from '#ports/clock.ts';
import type { Mode } from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { ClientInfo } from '#ports/sessions.ts';

export interface AuditorDeps {
  readonly trail: Pick<AuditTrail, 'tell'>;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly randomBytes: (count: number) => Uint8Array;
}

export interface Auditor {
  open(call: AuditedCall): CallAudit;
}

export interface AuditedCall {
  readonly operation: string;
  readonly audit: Route['audit'];
  readonly requestId: string;
  readonly correlationId: string;
  readonly client: ClientInfo;
}

/** What services say of a call while they serve it. */
export interface AuditNotes {
  /**
   * Whom it is about, as far as it is known so far: of a route without a credential only the service
   * learns the tenant.
   */
  know(facts: {
    readonly tenant?: string;
    readonly mode?: Mode;
    readonly actor?: string;
    readonly target?: string;
  }): void;
  /** Ids and words of ours that tell more; never what tenants or people wrote. */
  note(details: JsonObject): void;
  /** The change is about to be made: durable when it resolves. Twice is once. */
  begin(): Promise<void>;
}

export interface CallAudit extends AuditNotes {
  done(): Promise<void>;
  refused(code: ApiErrorCode): Promise<void>;
}

const STRANGERS_A_SECOND = 20;
const FLOODS_A_SECOND = 1;
const SEEN_AGAIN_MS = 60_000;
const MOST_REMEMBERED = 10_000;
const SALT_BYTES = 12;

export function createAuditor(deps: AuditorDeps): Auditor {
  const memory = {
    strangers: createAllowance(deps.clock, STRANGERS_A_SECOND),
    floods: createAllowance(deps.clock, FLOODS_A_SECOND),
    looks: createLooks(deps.clock),
  };
  return { open: (call) => openAudit(deps, memory, call) };
}

interface Memory {
  /** By tenant. */
  readonly strangers: Allowance;
  /** By tenant and actor. */
  readonly floods: Allowance;
  readonly looks: Looks;
}

function openAudit(deps: AuditorDeps, memory: Memory, call: AuditedCall): CallAudit {
  const { strangers, floods, looks } = memory;
  const { trail, clock } = deps;
  const at = clock.now();
  const id = deps.ids.next(at);
  const about: {
    tenant: string | null;
    mode: Mode | null;
    actor: string;
    target: string | null;
  } = { tenant: null, mode: null, actor: 'unknown', target: null };
  let details: JsonObject = {};
  /** The tenant in whose chain the beginning is: the end follows it, whatever was learnt since. */
  let begun: Promise<string> | null = null;

  const tell = (entry: AuditEntry): Promise<void> =>
    trail.tell(entry).catch((error: unknown) => {
      deps.log.error('AUDIT_NOT_TOLD', { operation: call.operation, error });
      deps.metrics.add(METRICS.AuditNotTold, {});
      throw error;
    });

  const facts = (outcome: AuditOutcome, code: string | null): AuditFacts => ({
    id,
    at,
    actor: about.actor,
    mode: about.mode,
    operation: call.operation,
    target: about.target,
    outcome,
    code,
    request_id: call.requestId,
    correlation_id: call.correlationId,
    details,
  });

  const personal = (): JsonObject => ({
    source: call.client.source,
    client: call.client.userAgent,
    // Addresses are few enough to be tried one by one against a plain hash.
    salt: Buffer.from(deps.randomBytes(SALT_BYTES)).toString('hex'),
  });

  const whole = (outcome: AuditOutcome, code: string | null): Promise<void> => {
    const told = { id, part: 'whole', facts: facts(outcome, code), personal: personal() } as const;
    return tell({ ...told, tenant: about.tenant ?? PLATFORM_TENANT });
  };

  const end = async (outcome: AuditOutcome, code: string | null): Promise<void> => {
    const tenant = await begun;
    if (tenant === null) return;
    const { target } = about;
    await tell({
      tenant,
      id,
      part: 'ended',
      end: { at: clock.now(), outcome, code, target, details },
    });
  };

  return {
    know(more) {
      about.tenant = more.tenant ?? about.tenant;
      about.mode = more.mode ?? about.mode;
      about.actor = more.actor ?? about.actor;
      about.target = more.target ?? about.target;
    },

    note(more) {
      details = { ...details, ...more };
    },

    async begin() {
      if (call.audit !== 'change') return;
      const tenant = about.tenant ?? PLATFORM_TENANT;
      const told = { tenant, id, part: 'begun', personal: personal() } as const;
      begun ??= tell({ ...told, facts: facts('unknown', null) }).then(() => tenant);
      await begun;
    },

    async done() {
      if (begun !== null) {
        // Logged where it was told. The change is made and its beginning is durable: to answer that it
        // failed would be worse than an event whose outcome is unknown.
        await end('done', null).catch(() => undefined);
      } else if (call.audit === 'change') {
        await whole('done', null);
      } else if (call.audit === 'read') {
        const { tenant, mode, actor, target } = about;
        const what = [tenant, mode, actor, call.operation, target].join(' ');
        if (looks.isToldOf(what)) return;
        await whole('done', null);
        // Not before: a look that could not be told was not answered, and the next one is the first.
        looks.told(what);
      }
    },

    async refused(code) {
      const { status } = API_ERRORS[code];
      const outcome = status >= 500 ? 'failed' : 'refused';
      if (begun !== null) return end(outcome, code);
      // What is malformed or missing refuses nobody anything; that it was looked for may matter.
      const told = isRefusal(status) || (call.audit === 'read' && code === 'NOT_FOUND');
      if (!told) return;
      const tenant = about.tenant ?? PLATFORM_TENANT;
      const isKnown = about.actor !== 'unknown';
      if (isKnown && code !== 'RATE_LIMITED') return whole(outcome, code);
      const skipped = isKnown ? floods.take(`${tenant} ${about.actor}`) : strangers.take(tenant);
      if (skipped === null) return;
      if (skipped > 0) details = { ...details, not_told_before: skipped };
      await whole(outcome, code);
    },
  };
}

function isRefusal(status: number): boolean {
  return status === 401 || status === 403 || status === 429;
}

interface Allowance {
  /** Null: this one is beyond it. Else how many were, since one was within. */
  take(whose: string): number | null;
}

function createAllowance(clock: Clock, perSecond: number): Allowance {
  const known = new LRUCache<string, { second: number; taken: number; skipped: number }>({
    max: MOST_REMEMBERED,
  });
  return {
    take(whose) {
      const second = Math.floor(clock.monotonic() / 1_000);
      const before = known.get(whose) ?? { second, taken: 0, skipped: 0 };
      const taken = before.second === second ? before.taken : 0;
      if (taken >= perSecond) {
        known.set(whose, { second, taken, skipped: before.skipped + 1 });
        return null;
      }
      known.set(whose, { second, taken: taken + 1, skipped: 0 });
      return before.skipped;
    },
  };
}

interface Looks {
  /** Within the last minute. */
  isToldOf(what: string): boolean;
  told(what: string): void;
}

function createLooks(clock: Clock): Looks {
  const at = new LRUCache<string, number>({ max: MOST_REMEMBERED });
  return {
    isToldOf(what) {
      const before = at.get(what);
      return before !== undefined && clock.monotonic() - before < SEEN_AGAIN_MS;
    },
    told: (what) => void at.set(what, clock.monotonic()),
  };
}
