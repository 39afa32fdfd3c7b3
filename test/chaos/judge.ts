/** Brings together what a run left behind and has it checked. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Checked, check } from './checker/check.ts';
import type { Footprint, LivenessEvidence, PlatformEvidence } from './checker/evidence.ts';
import { readExecutions, readPlatform } from './checker/read-store.ts';
import { readTopic } from './checker/read-topic.ts';
import { GROUPS } from './faults/events.ts';
import type { Notes } from './faults/fault.ts';
import { FURTHEST_JUMP_MS } from './faults/stores.ts';
import { readLines } from './files.ts';
import type { Lags } from './lags.ts';
import type { Load } from './load.ts';
import type { Call, LedgerLine, Probe } from './records.ts';
import { definitions, pinnedDefinition } from './workload.ts';
import { isKnown, type Outcome } from './world/api.ts';
import { until } from './world/children.ts';
import type { World } from './world/world.ts';

/** Executions that the API is asked for, besides those which are not in the store. */
const ASKED = 2_000;
const AT_ONCE = 16;
/** Of one call: longer than the time that a step gives it. */
const CALL_MS = 15_000;
const MOST_LOGGED = 5;
/** For so long one execution is asked for. */
const ANSWER_MS = 60_000;

export async function judge(
  world: World,
  told: {
    readonly notes: Notes;
    readonly healed: Lags;
    readonly rate: LivenessEvidence['rate'];
    readonly rateFloor: number;
    readonly before: Footprint;
    readonly end: Footprint;
    readonly load: Load;
    readonly probes: readonly Probe[];
    readonly takeOverBoundMs: number;
    readonly readyBoundMs: number;
    readonly longestMs: number;
    readonly interruptions: number;
  },
): Promise<Checked> {
  const { admin, effects, kafka, tenants, files, target } = world;
  const [broker] = kafka?.brokers ?? [];
  const ledger = await readLines<LedgerLine>(files.ledger);
  const versions = ledger.filter((line) => line.kind === 'published').length + 1;
  const { rows: done } = await effects.query<{ execution: string; n: number }>(
    'select execution, count(*)::integer as n from effects group by 1',
  );
  const { rows: left } = await admin.query<{ id: string }>(
    'select id from workflow_executions where outcome is null',
  );
  const { rows: all } = await admin.query<{ n: number }>(
    'select count(*)::integer as n from workflow_executions',
  );
  const owners = tenants.map(({ id, canary }) => ({ id, canary }));
  const evidence: PlatformEvidence = {
    tenants: owners,
    definitions: [
      ...definitions(target),
      // A version whose acknowledgement was lost is a version all the same.
      ...Array.from({ length: versions + 1 }, (_, i) => pinnedDefinition(target, i + 1)),
    ],
    ledger,
    calls: await readLines<Call>(files.calls),
    effects: new Map(done.map(({ execution, n }) => [execution, n])),
    records: broker === undefined ? null : await readTopic(broker.address, 'workflow.events'),
    poisoned: told.notes.poisoned,
    readers: GROUPS,
    loggedCanaries: await loggedCanaries(world),
    answers: await askApi(world, ledger, told.load.ids),
    ...(await readPlatform(admin, owners)),
  };
  const liveness: LivenessEvidence = {
    takeOvers: told.notes.takeOvers,
    unfinished: left.map(({ id }) => id),
    executions: all[0]?.n ?? 0,
    outages: told.notes.outages,
    absences: told.notes.absences,
    ...{ takeOverBoundMs: told.takeOverBoundMs, readyBoundMs: told.readyBoundMs },
    ...{ healed: told.healed, rate: told.rate, rateFloor: told.rateFloor },
    ...{ before: told.before, end: told.end, probes: told.probes },
  };
  const underWayMs = CALL_MS + told.longestMs + FURTHEST_JUMP_MS;
  return check(evidence, liveness, readExecutions(admin), underWayMs, told.interruptions);
}

async function loggedCanaries({ platform, tenants }: World): Promise<string[]> {
  const found: string[] = [];
  for await (const line of createInterface({ input: createReadStream(platform.logFile) })) {
    const has = tenants.some(({ canary }) => line.includes(canary));
    if (has && found.length < MOST_LOGGED) found.push(line.slice(0, 200));
  }
  return found;
}

/** Asks for a share of all that were acknowledged, evenly; and says what was answered. */
async function askApi(
  world: World,
  ledger: readonly LedgerLine[],
  ids: readonly string[],
): Promise<PlatformEvidence['answers']> {
  const tenantOf = new Map(
    ledger.flatMap((line) => (line.kind === 'started' ? [[line.id, line.tenant] as const] : [])),
  );
  const every = Math.max(1, Math.ceil(ids.length / ASKED));
  const chosen = ids.filter((_, i) => i % every === 0);
  const answers = new Map<string, { status: string; output: unknown } | null>();
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < chosen.length; i = next++) {
      const id = chosen[i] as string;
      const tenant = world.tenants.find((each) => each.id === tenantOf.get(id));
      let answer: Outcome = null;
      // No answer leaves open what it would have been: it is asked again, as any client would.
      await until(ANSWER_MS, async () => {
        answer = (await tenant?.api.call('GET', `/api/v1/executions/${id}`)) ?? null;
        return answer !== null && isKnown(answer);
      });
      answer = answer as Outcome;
      const { status, output = null } = (answer?.body ?? {}) as {
        status?: string;
        output?: unknown;
      };
      const there = answer?.status === 200 && status !== undefined;
      answers.set(id, there ? { status, output } : null);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return answers;
}
