import type { OutboundGate } from '#ports/outbound-gate.ts';
import type { Caller } from './deps.ts';
import { stepFailure } from './failure.ts';

/** Calls out through the gate, in the names of the language. `Transient`: the call was not made. */
export async function through<T>(
  gate: OutboundGate,
  caller: Caller,
  name: string,
  call: () => Promise<{ readonly value: T; readonly silent: boolean }>,
): Promise<T> {
  const answer = await gate.run({ tenant: caller.tenant, name }, caller.signal, call);
  switch (answer.kind) {
    case 'ran':
      return answer.value;
    case 'aborted':
      throw stepFailure('Timeout', 'the call waited for a free slot until its time was up');
    case 'busy':
      throw stepFailure('Transient', 'too many calls to this target are waiting');
    case 'open':
      throw stepFailure('Transient', 'this target has not answered for a while; not called');
  }
}
