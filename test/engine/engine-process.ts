/**
 * An engine in a process of its own, driven over IPC by the crash tests: it accepts when told to,
 * says which acceptances were acknowledged, and calls a ledger over HTTP for every step.
 */

import { createSystemClock } from '#adapters/local/system-clock.ts';
import type { Json } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';
import type { StepCall } from '#steps/perform-call.ts';
import { createTestPlatform } from '#test/support/platform.ts';

export interface ProcessOptions {
  readonly url: string;
  readonly ledger: string;
  readonly program: Program;
  readonly leaseMs: number;
  readonly heartbeatMs: number;
  /** Believes that no time passed while it was stopped, and that its lease holds: the worst zombie. */
  readonly blind: boolean;
}

export type ToProcess = { readonly kind: 'accept'; readonly count: number };
export type FromProcess =
  | { readonly kind: 'ready' }
  | { readonly kind: 'accepted'; readonly id: string }
  | { readonly kind: 'fenced'; readonly id: string };

const options = JSON.parse(process.argv[2] ?? '') as ProcessOptions;
const send = (message: FromProcess): void => {
  process.send?.(message);
};
const system = createSystemClock();
const platform = createTestPlatform({
  url: options.url,
  programs: [options.program],
  limits: {
    leaseMs: options.leaseMs,
    heartbeatMs: options.heartbeatMs,
    pollMs: 50,
    parkAfterMs: 20,
    parkBeyondMs: 100,
  },
  performer: { call: callLedger, compensate: async () => ({ ok: true }) },
  ...(options.blind ? { deps: { clock: { ...system, monotonic: () => 0 } } } : {}),
  decorateStore: (store) => ({
    ...store,
    heartbeat: async (owner, leaseMs) => (await store.heartbeat(owner, leaseMs)) || options.blind,
    append: async (request) => {
      const answer = await store.append(request);
      if (answer === 'fenced') send({ kind: 'fenced', id: request.executionId });
      return answer;
    },
  }),
});

async function callLedger(call: StepCall) {
  const response = await fetch(options.ledger, {
    method: 'POST',
    headers: { 'x-key': `${call.rootId}/${call.key}`, 'x-pid': String(process.pid) },
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  });
  return { ok: true, output: (await response.json()) as Json, compensation: null } as const;
}

process.on('message', (message: ToProcess) => {
  for (let i = 0; i < message.count; i++) {
    const request = platform.request(options.program);
    platform.access.accept(request).then(
      (answer) => send({ kind: 'accepted', id: answer.executionId }),
      () => process.exit(3),
    );
  }
});
process.on('disconnect', () => process.exit(0));
await platform.engine.start();
send({ kind: 'ready' });
