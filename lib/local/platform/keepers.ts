import { join } from 'node:path';
import { createFileObjects } from '#adapters/local/file-objects.ts';
import { openFileSealer } from '#adapters/local/file-sealer.ts';
import { createAuditSealer } from '#adapters/postgres/audit-sealer.ts';
import { watchBacklog } from '#adapters/postgres/backlog.ts';
import { collectSecrets } from '#adapters/postgres/collect-secrets.ts';
import { tellOldSecrets } from '#adapters/postgres/old-secrets.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { rotateSigningKeys } from '#adapters/postgres/rotate-signing-keys.ts';
import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { letGo } from '#adapters/postgres/upkeep.ts';
import { sealAudit, signAuditHeads } from '#services/audit/seal.ts';
import { startCounterparts } from '../counterparts.ts';
import type { LocalEvents } from '../events.ts';
import type { Ground } from './ground.ts';
import type { Reach } from './reach.ts';
import type { Runtimes } from './runtimes.ts';

/** Real milliseconds between looks of the Step Functions driver; hints make it sooner. */
const DRIVER_LOOK_MS = 250;
const RECONCILE_MS = 2_000;
const MEASURE_MS = 5_000;
const UPKEEP_MS = 3_600_000;
const SEAL_MS = 1_000;
const SIGN_MS = 60_000;
const READS_EVENTS = 'reads its topic of the event log, in this process';

/** The keys that tokens and heads of the audit trail are signed with, and who turns them. */
export async function openSigningKeys({ pools, ids, clock, log, state }: Ground) {
  const sealer = await openFileSealer(join(state.path, 'sealing'));
  const turn = () => rotateSigningKeys({ pool: pools.relay, sealer, ids }, clock.now());
  await turn();
  return {
    signingKeys: createSigningKeys({ pool: pools.app, clock, sealer }),
    async rotate(): Promise<void> {
      try {
        await turn();
      } catch (error) {
        // The key that signs goes on signing until the next time.
        log.warn('SIGNING_KEYS_NOT_ROTATED', { error });
      }
    },
  };
}

export type LocalSigningKeys = Awaited<ReturnType<typeof openSigningKeys>>;

/** Starts what is done again and again; answers how to stop it. */
export function startKeepers(
  ground: Ground,
  parts: {
    readonly keys: LocalSigningKeys;
    readonly secrets: Reach['secrets'];
    readonly events: LocalEvents;
    readonly runtimes: Pick<Runtimes, 'driver'>;
  },
): () => Promise<void> {
  const { pools, partitions, codec, clock, ids, log, metrics, state } = ground;
  const { keys, secrets, events } = parts;
  const { driver } = parts.runtimes;
  const relay = pools.relay;
  const sealing = {
    sealer: createAuditSealer({ pool: relay, partitions: createPartitions(relay) }),
    signingKeys: keys.signingKeys,
    archive: createFileObjects(join(state.path, 'audit')),
    clock,
  };
  /** What fails is done at the next turn: what was to be told, let go or looked at is still there. */
  const nextTime =
    (code: 'AUDIT_NOT_SEALED' | 'UPKEEP_FAILED', act: () => Promise<unknown>) =>
    async (): Promise<void> => {
      try {
        await act();
      } catch (error) {
        log.warn(code, { error });
      }
    };
  const lookAtBacklog = watchBacklog(metrics, pools.driver);
  return startCounterparts(clock, {
    'step-functions-driver': [{ everyMs: DRIVER_LOOK_MS, act: () => driver.look() }],
    'state-changed': [{ everyMs: RECONCILE_MS, act: () => driver.reconcile() }],
    partitions: [
      {
        everyMs: UPKEEP_MS,
        act: nextTime('UPKEEP_FAILED', () =>
          letGo(
            {
              ...{ relay, codec, ids, metrics, readers: events.reads },
              log: log.with({ part: 'events' }),
            },
            clock.now(),
          ),
        ),
      },
    ],
    measure: [
      {
        everyMs: MEASURE_MS,
        async act() {
          // Looks again at the next turn; pools tell of a database that is away.
          await lookAtBacklog(clock.now()).catch(() => undefined);
          await events.look(clock.now()).catch(() => undefined);
        },
      },
    ],
    'audit-sealer': [
      { everyMs: SEAL_MS, act: nextTime('AUDIT_NOT_SEALED', () => sealAudit(sealing)) },
      { everyMs: SIGN_MS, act: nextTime('AUDIT_NOT_SEALED', () => signAuditHeads(sealing)) },
    ],
    'signing-keys': [{ everyMs: UPKEEP_MS, act: keys.rotate }],
    'collect-secrets': [
      {
        everyMs: UPKEEP_MS,
        act: nextTime('UPKEEP_FAILED', async () => {
          const now = clock.now();
          await tellOldSecrets({ pool: relay, ids, codec, partitions }, now);
          await collectSecrets({ pool: relay, secrets, ids }, now);
        }),
      },
    ],
    'warm-caches': 'one process holds what it has read itself',
    'platform-keys': 'its keys are its own, in a folder that nobody else reads',
    analytics: READS_EVENTS,
    billing: READS_EVENTS,
    'audit-events': READS_EVENTS,
    'cache-invalidation': READS_EVENTS,
    mail: READS_EVENTS,
    'dead-letters': READS_EVENTS,
    'collect-machines': 'machines are compiled when they are needed and kept nowhere',
    authorizer: 'the API looks at every credential itself, here and deployed',
    migrate: 'done before anything else',
    realtime: 'no WebSockets are served here yet',
    integrity: 'asked for by `cloudflow integrity`',
    'make-tenant': 'the first start makes the one tenant that there is',
    'standby-integrity': 'there is no other region here',
    probe: 'there is no other region here',
  });
}
