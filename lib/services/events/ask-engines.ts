import { METRICS } from '#config/metrics.ts';
import { COMMANDS_TOPIC } from '#config/topics.ts';
import type { Clock } from '#ports/clock.ts';
import type { CommandedSignals, ControlCommand, EngineControl } from '#ports/engine-control.ts';
import type { SignalAnswer } from '#ports/execution-store.ts';
import type { Ids } from '#ports/ids.ts';
import type { Log } from '#ports/log.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { Requests } from '#ports/requests.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import { controlMessage } from './control-message.ts';

/**
 * Asks whichever engine reads the command to store a signal and to say when it was heard. Where none says so in
 * time the signal is stored here, under the same command: so it is stored once, also where the engine was only
 * late, and an execution can be operated with no engine and no broker there.
 */
export function createEngineControl(deps: {
  readonly requests: Requests;
  readonly signals: CommandedSignals;
  readonly hints: RuntimeHints;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly log: Log;
  readonly metrics: Metrics;
}): EngineControl {
  const { requests, signals, hints, clock, ids, log, metrics } = deps;

  async function storeHere(command: ControlCommand): Promise<SignalAnswer> {
    const { tenant, executionId, signal, trace } = command;
    metrics.add(METRICS.EnginesNotHeard, {});
    log.warn('ENGINE_NOT_HEARD', { tenant, execution_id: executionId });
    const answer = await signals.store(command, clock.now());
    if (answer.kind === 'stored') {
      hints.signalled({ tenant, executionId, runtime: 'engine', signal, trace });
    }
    return answer;
  }

  return {
    async signal(tenant, executionId, signal, trace) {
      const command: ControlCommand = { id: ids.random(), tenant, executionId, signal, trace };
      const answer = await requests.ask(COMMANDS_TOPIC, {
        ...{ id: command.id, tenant, key: executionId },
        value: controlMessage(command, clock.now()),
      });
      // An answer is believed by what the database remembers of the command, and stores nothing twice.
      return answer === null ? storeHere(command) : signals.store(command, clock.now());
    },
  };
}
