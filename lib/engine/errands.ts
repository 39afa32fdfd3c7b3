import type { Command } from '#core/execution/commands.ts';
import { createAlarm } from './alarm.ts';
import { createUndertakings, type UndertakingsHost } from './undertakings.ts';

/** What one execution has asked for and not got yet: timers, and work that goes on outside. */
export interface Errands {
  /** Nothing goes on outside. */
  readonly idle: boolean;
  /** When the earliest timer is due; null: none. */
  readonly nextTimer: number | null;
  carryOut(commands: readonly Command[]): void;
  /** Starts those of `wanted` that are not going on, and ends all that is not wanted. */
  resume(wanted: readonly Command[]): void;
  /** Ends everything. */
  drop(): void;
}

export interface ErrandsHost extends UndertakingsHost {
  /** A timer is due, at this time: the clock of the host may be back before it a moment later. */
  ring(at: number): void;
  /** An approval is taken back: its step has ended without an answer. */
  approvalClosed(step: string): void;
}

const APPROVAL = 'approval:';

export function createErrands(host: ErrandsHost): Errands {
  const alarm = createAlarm(host.clock, (at) => host.ring(at));
  const undertakings = createUndertakings(host);

  function carryOut(commands: readonly Command[]): void {
    // Several decisions may be in one append: what a later one takes back is not started.
    const abandoned = new Map<string, number>();
    for (const [i, command] of commands.entries()) {
      if (command.kind === 'abandon') abandoned.set(command.id, i);
    }
    for (const [i, command] of commands.entries()) {
      if (command.kind === 'abandon') abandon(command.id);
      else if ((abandoned.get(command.id) ?? -1) > i) continue;
      else if (command.kind === 'timer') alarm.set(command.id, command.dueAt);
      else undertakings.start(command);
    }
    alarm.arm();
  }

  function abandon(id: string): void {
    alarm.clear(id);
    undertakings.abandon(id);
    if (id.startsWith(APPROVAL)) host.approvalClosed(id.slice(APPROVAL.length));
  }

  return {
    get idle() {
      return undertakings.size === 0;
    },
    get nextTimer() {
      return alarm.next;
    },
    carryOut,
    resume(wanted) {
      undertakings.abandonAllBut(new Set(wanted.map((command) => command.id)));
      alarm.clearAll();
      carryOut(wanted);
    },
    drop() {
      alarm.clearAll();
      undertakings.abandonAllBut(new Set());
    },
  };
}
