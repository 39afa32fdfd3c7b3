import type { StepError } from '#core/errors.ts';
import type { Json } from '#core/json.ts';
import type { CompensationRecord, StepKey } from './events.ts';

/**
 * What the pure core asks of its host, and what the host may tell it. A command is named by `id`,
 * stable across replay: after a crash `outstanding` yields the same commands under the same ids, and
 * the host starts those it is not already doing. Commands are started only after the events of the
 * same decision are durable.
 */
export type Command =
  /** One attempt of a connector, or of a callback's request. */
  | {
      readonly kind: 'call';
      readonly id: string;
      readonly step: StepKey;
      readonly attempt: number;
      readonly config: Json;
      readonly timeoutMs: number;
    }
  /** Expressions for the evaluator, against bindings that are immutable by now. */
  | {
      readonly kind: 'evaluate';
      readonly id: string;
      readonly step: StepKey;
      readonly slot: string;
      readonly expressions: readonly string[];
      readonly bindings: { readonly [name: string]: Json };
    }
  /** Wake at `dueAt` (business time). A later timer with the same id replaces it. */
  | { readonly kind: 'timer'; readonly id: string; readonly dueAt: number }
  | {
      readonly kind: 'start_child';
      readonly id: string;
      readonly step: StepKey;
      readonly workflowId: string;
      /** Null: the version that is current when the child starts. */
      readonly version: string | null;
      readonly input: Json;
      readonly detach: boolean;
    }
  | {
      readonly kind: 'request_approval';
      readonly id: string;
      readonly step: StepKey;
      readonly config: Json;
      readonly dueAt: number;
    }
  /** One attempt of a compensation. */
  | {
      readonly kind: 'compensate';
      readonly id: string;
      readonly step: StepKey;
      readonly attempt: number;
      readonly record: CompensationRecord;
    }
  /** Take back what is outstanding under this id: its result no longer matters. */
  | { readonly kind: 'abandon'; readonly id: string };

export type CommandOf<K extends Command['kind']> = Extract<Command, { kind: K }>;

/** What happened outside. Stale ones (the step has moved on) yield no events. */
export type Outcome =
  /** The engine took the execution up for the first time. */
  | { readonly kind: 'start' }
  | {
      readonly kind: 'call_succeeded';
      readonly step: StepKey;
      readonly attempt: number;
      readonly output: Json;
      readonly compensation: CompensationRecord | null;
    }
  /** Also for an approval whose request could not be made. */
  | {
      readonly kind: 'call_failed';
      readonly step: StepKey;
      readonly attempt: number;
      readonly error: StepError;
    }
  | {
      readonly kind: 'evaluated';
      readonly step: StepKey;
      readonly slot: string;
      /** In the order of the command's expressions; `value` absent: the expression yields nothing. */
      readonly results: readonly (
        | { readonly ok: true; readonly value?: Json }
        | { readonly ok: false; readonly message: string; readonly unfit?: true }
      )[];
    }
  /** Business time reached a timer; the core looks at `now`, not at which timer it was. */
  | { readonly kind: 'clock' }
  | { readonly kind: 'child_started'; readonly step: StepKey; readonly executionId: string }
  | { readonly kind: 'child_refused'; readonly step: StepKey; readonly error: StepError }
  | { readonly kind: 'compensated'; readonly step: StepKey; readonly attempt: number }
  | {
      readonly kind: 'compensation_call_failed';
      readonly step: StepKey;
      readonly attempt: number;
      readonly error: StepError;
    }
  | Signal;

/** Outcomes that come from people and other executions; durable rows until they are in the log. */
export type Signal =
  | {
      readonly kind: 'approval_answered';
      readonly step: StepKey;
      readonly decision: 'approved' | 'rejected';
      readonly by: string;
      readonly comment: string | null;
      readonly at: number;
    }
  | { readonly kind: 'callback_completed'; readonly step: StepKey; readonly result: Json }
  | { readonly kind: 'callback_failed'; readonly step: StepKey; readonly error: StepError }
  | { readonly kind: 'callback_heartbeat'; readonly step: StepKey }
  | {
      readonly kind: 'child_ended';
      readonly step: StepKey;
      readonly executionId: string;
      readonly status: 'COMPLETED' | 'FAILED' | 'CANCELLED';
      readonly output: Json;
      readonly error: StepError | null;
    }
  | {
      readonly kind: 'cancel';
      readonly by: string | null;
      /** Null: what the workflow's own `on_cancel` says. */
      readonly compensate: boolean | null;
      readonly reason: string | null;
    }
  | { readonly kind: 'pause'; readonly by: string | null }
  | { readonly kind: 'resume'; readonly by: string | null };
