import { headText } from '#core/audit-chain.ts';
import type { Json } from '#core/json.ts';
import type { AuditSealer, SignedHead, UnsignedChain } from '#ports/audit-trail.ts';
import type { Clock } from '#ports/clock.ts';
import type { ObjectStore } from '#ports/object-store.ts';
import type { SigningKeys } from '#ports/signing-keys.ts';

export interface SealDeps {
  readonly sealer: AuditSealer;
  readonly signingKeys: SigningKeys;
  /** Objects that nobody can replace or delete, where the platform runs on AWS. */
  readonly archive: ObjectStore;
  readonly clock: Clock;
}

const ENTRIES_A_TURN = 500;
const MOST_TURNS = 200;
/** No call takes as long: what has not ended by then never tells its end, or tells it late. */
const PATIENCE_MS = 120_000;
const CHAINS_A_TURN = 500;
const EVENTS_AN_OBJECT = 1_000;
const MOST_OBJECTS = 100;
/** A thousand events of the largest kind. */
const MOST_OBJECT_BYTES = 16 * 1024 * 1024;

/** Takes what was told into the chains; answers how many entries. What is left waits for the next call. */
export async function sealAudit({ sealer }: Pick<SealDeps, 'sealer'>): Promise<number> {
  let all = 0;
  for (let turn = 0; turn < MOST_TURNS; turn++) {
    const taken = await sealer.seal(ENTRIES_A_TURN, PATIENCE_MS);
    all += taken;
    if (taken < ENTRIES_A_TURN) break;
  }
  return all;
}

/**
 * Writes what has been added to each chain into the archive, then its end, signed. An object is written
 * once: a repeat after a crash finds it and goes on. Answers how many chains.
 */
export async function signAuditHeads(deps: SealDeps): Promise<number> {
  const chains = await deps.sealer.unsigned(CHAINS_A_TURN);
  for (const chain of chains) await signOne(deps, chain);
  return chains.length;
}

async function signOne(deps: SealDeps, chain: UnsignedChain): Promise<void> {
  const { tenant } = chain;
  let end = { seq: chain.signedSeq, hash: '' };
  for (let object = 0; object < MOST_OBJECTS && end.seq < chain.seq; object++) {
    const limit = Math.min(EVENTS_AN_OBJECT, chain.seq - end.seq);
    const events = await deps.sealer.events(tenant, end.seq, limit);
    const last = events.at(-1);
    if (last === undefined) return; // They are gone: verifying says which.
    const lines = events.map(({ seq, hash, content }) => JSON.stringify({ seq, hash, content }));
    // Named by both ends: a repeat after a crash may hold more than the try before it.
    const path = `events/${place(end.seq + 1)}-${place(last.seq)}.ndjson`;
    await put(deps, tenant, path, `${lines.join('\n')}\n`);
    end = { seq: last.seq, hash: last.hash };
  }
  const at = deps.clock.now();
  const key = await deps.signingKeys.current();
  const published = await deps.signingKeys.published();
  const { n, e } = published.find(({ kid }) => kid === key.kid) ?? { n: '', e: '' };
  const signature = await key.sign(Buffer.from(headText(tenant, end, at)));
  const head: SignedHead = {
    tenant,
    ...end,
    at,
    kid: key.kid,
    signature: Buffer.from(signature).toString('base64url'),
    n,
    e,
  };
  await put(deps, tenant, `heads/${place(end.seq)}.json`, JSON.stringify(head as unknown as Json));
  await deps.sealer.sign(head);
}

async function put(deps: SealDeps, tenant: string, path: string, text: string): Promise<void> {
  await deps.archive.put(
    { tenant, path },
    {
      body: Buffer.from(text),
      contentType: path.endsWith('.json') ? 'application/json' : 'application/x-ndjson',
      onlyIfAbsent: true,
      maxBytes: MOST_OBJECT_BYTES,
    },
  );
}

/** So that paths sort as places do. */
function place(seq: number): string {
  return String(seq).padStart(12, '0');
}
