/**
 * Starts executions one after the other at as many places at a time as it is told, and writes down what was
 * acknowledged. A request whose answer was lost is repeated under its key until it is known what became of it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Dice } from './dice.ts';
import type { DurableLines } from './files.ts';
import type { LedgerLine } from './records.ts';
import { GATED, KINDS, type Kind, PINNED, pinnedDefinition } from './workload.ts';
import { type Api, isKnown } from './world/api.ts';

export interface Tenant {
  readonly id: string;
  /** In every input of its executions and nowhere else. */
  readonly canary: string;
  readonly api: Api;
}

export interface Load {
  readonly acknowledged: number;
  /** No answer, or one that leaves open what became of it. */
  readonly unknown: number;
  readonly requests: number;
  /** Ids of acknowledged executions, in the order of their acknowledgement. */
  readonly ids: readonly string[];
  /** Nothing new begins; resolves when all that was asked for is known. */
  stop(): Promise<void>;
}

const REPEATS_IN = 20;
const CONFLICTS_IN = 40;
const GIVE_UP_MS = 240_000;

export function startLoad(deps: {
  readonly tenants: readonly Tenant[];
  readonly ledger: DurableLines;
  readonly target: string;
  readonly dice: Dice;
  /** Requests at a time. */
  readonly places: number;
  /** Whether so much is under way that nothing more should begin. */
  readonly full: () => boolean;
  readonly seed: string;
}): Load {
  const { tenants, ledger, dice, full, seed, target } = deps;
  const ids: string[] = [];
  const later = new Set<Promise<void>>();
  let serial = 0;
  let versions = 1;
  let newest = '1.0.1';
  let stopping = false;
  const counts = { acknowledged: 0, unknown: 0, requests: 0 };
  const write = (line: LedgerLine) => ledger.write(line);
  const total = KINDS.reduce((sum, { weight }) => sum + weight, 0);

  function draw(): Kind {
    let left = dice.below(total);
    for (const kind of KINDS) {
      left -= kind.weight;
      if (left < 0) return kind;
    }
    return KINDS[0] as Kind;
  }

  /** One request of a key, known or not. */
  async function ask(tenant: Tenant, path: string, body: unknown, key: string) {
    const until = performance.now() + GIVE_UP_MS;
    for (;;) {
      counts.requests += 1;
      const answer = await tenant.api.call('POST', path, { body, key });
      if (answer !== null && isKnown(answer)) return answer;
      counts.unknown += 1;
      if (performance.now() > until) return null;
      await pause(250);
    }
  }

  async function begin(workflow: string, kind: Pick<Kind, 'runtime' | 'input' | 'cancelAfterMs'>) {
    const tenant = tenants[dice.below(8) === 0 ? 1 : 0] ?? (tenants[0] as Tenant);
    const key = `${seed}-${++serial}`;
    const input = { canary: tenant.canary, ...kind.input(dice) };
    const { runtime = 'engine' } = kind;
    const body = { runtime, input, labels: { key } };
    const path = `/api/v1/workflows/${workflow}/execute`;
    const atLeast = workflow === PINNED ? newest : null;
    const about = { tenant: tenant.id, key, workflow };
    await write({ kind: 'intent', at: Date.now(), ...about });
    const answer = await ask(tenant, path, body, key);
    const id = answer?.body['execution_id'];
    if (answer === null || typeof id !== 'string') return null;
    const { requestId } = answer;
    await write({ kind: 'started', at: Date.now(), ...about, id, input, atLeast, requestId });
    counts.acknowledged += 1;
    ids.push(id);
    if (serial % REPEATS_IN === 0) {
      const again = await ask(tenant, path, body, key);
      const repeated = String(again?.body['execution_id'] ?? `answer ${again?.status}`);
      const line = { at: Date.now(), tenant: tenant.id, key, id: repeated };
      if (again !== null) await write({ kind: 'repeated', ...line });
    }
    if (serial % CONFLICTS_IN === 0) {
      const other = { ...body, input: { ...input, other: true } };
      const again = await ask(tenant, path, other, key);
      const line = { at: Date.now(), key, status: again?.status ?? 0 };
      if (again !== null) await write({ kind: 'conflicting', ...line });
    }
    if (kind.cancelAfterMs !== undefined) {
      const ms = kind.cancelAfterMs(dice);
      const cancelling: Promise<void> = cancel(tenant, id, key, ms).finally(() =>
        later.delete(cancelling),
      );
      later.add(cancelling);
    }
    return id;
  }

  async function cancel(tenant: Tenant, id: string, key: string, ms: number): Promise<void> {
    await pause(ms);
    const answer = await ask(tenant, `/api/v1/executions/${id}/cancel`, {}, `${key}-cancel`);
    if (answer === null) return;
    await write({ kind: 'cancelled', at: Date.now(), id, status: answer.status });
  }

  async function place(): Promise<void> {
    while (!stopping) {
      if (full()) {
        await pause(50);
        continue;
      }
      const kind = draw();
      await begin(kind.name, kind);
    }
  }

  /** New versions of a workflow appear while executions of the old ones run. */
  async function publish(): Promise<void> {
    while (!stopping) {
      await pause(2_000);
      const definition = pinnedDefinition(target, versions + 1);
      let isThere = true;
      for (const [i, tenant] of tenants.entries()) {
        const key = `${seed}-publish-${versions}-${i}`;
        const answer = await ask(tenant, '/api/v1/workflows', definition, key);
        isThere = isThere && answer !== null && answer.status < 300;
      }
      if (!isThere) continue;
      versions += 1;
      newest = definition.version;
      await write({ kind: 'published', workflow: PINNED, version: newest });
    }
  }

  /** Starts of one workflow are held back for a moment: all are accepted, none begins. */
  async function gate(): Promise<void> {
    const [tenant] = tenants as [Tenant];
    const own = { weight: 0, name: GATED, input: () => ({}) };
    for (let turn = 0; !stopping; turn++) {
      await pause(4_000);
      const path = `/api/v1/workflows/${GATED}`;
      const paused = await ask(tenant, `${path}/pause`, {}, `${seed}-pause-${turn}`);
      if (paused === null || paused.status >= 300) continue;
      const begun = [];
      for (let i = 0; i < 3; i++) begun.push(await beginFor(tenant, own));
      await pause(600);
      let running = 0;
      for (const id of begun.filter((each) => each !== null)) {
        const seen = await tenant.api.call('GET', `/api/v1/executions/${id}`);
        if (seen?.status === 200 && seen.body['status'] !== 'PENDING') running += 1;
      }
      const accepted = begun.filter((each) => each !== null).length;
      await write({ kind: 'gate', workflow: GATED, accepted, begun: running });
      await ask(tenant, `${path}/resume`, {}, `${seed}-resume-${turn}`);
    }
  }

  async function beginFor(tenant: Tenant, kind: Kind): Promise<string | null> {
    const key = `${seed}-gate-${++serial}`;
    const input = { canary: tenant.canary };
    const body = { runtime: 'engine', input, labels: { key } };
    const about = { tenant: tenant.id, key, workflow: kind.name };
    await write({ kind: 'intent', at: Date.now(), ...about });
    const answer = await ask(tenant, `/api/v1/workflows/${kind.name}/execute`, body, key);
    const id = answer?.body['execution_id'];
    if (answer === null || typeof id !== 'string') return null;
    const { requestId } = answer;
    await write({ kind: 'started', at: Date.now(), ...about, id, input, atLeast: null, requestId });
    counts.acknowledged += 1;
    ids.push(id);
    return id;
  }

  /** A caller who may not: refused each time, and each refusal is to be found in the trail. */
  async function stranger(): Promise<void> {
    while (!stopping) {
      await pause(3_000);
      for (const tenant of tenants) {
        // There is no such execution, so there is nothing to cancel.
        const path = '/api/v1/executions/01900000-0000-7000-8000-000000000000/cancel';
        const answer = await tenant.api.call('POST', path, {
          body: {},
          key: `${seed}-none-${++serial}`,
        });
        if (answer === null || answer.status >= 500 || answer.requestId === null) continue;
        await write({ kind: 'refused', tenant: tenant.id, requestId: answer.requestId });
      }
    }
  }

  const working = [
    ...Array.from({ length: deps.places }, () => place()),
    ...[publish(), gate(), stranger()],
  ];
  return {
    get acknowledged() {
      return counts.acknowledged;
    },
    get unknown() {
      return counts.unknown;
    },
    get requests() {
      return counts.requests;
    },
    ids,
    async stop() {
      stopping = true;
      await Promise.all(working);
      await Promise.all(later);
    },
  };
}
