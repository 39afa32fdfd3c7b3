import { Ajv2020 } from 'ajv/dist/2020.js';
import * as Type from 'typebox';
import { REPLIES_TOPIC } from '#config/topics.ts';
import { EventEnvelopeSchema } from '#core/events/schemas.ts';
import type { Json } from '#core/json.ts';
import { parseTrace } from '#core/trace.ts';
import type { Clock } from '#ports/clock.ts';
import type { CommandedSignals, ControlCommand } from '#ports/engine-control.ts';
import type { EventLog, LogMessage } from '#ports/event-log.ts';
import type { SignalAnswer } from '#ports/execution-store.ts';
import type { Log } from '#ports/log.ts';
import { REQUEST_HEADERS } from '#ports/requests.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import type { Tracer } from '#ports/tracer.ts';
import { CONTROL_TYPE } from './control-message.ts';

/** Real milliseconds between looks whether a signal was heard; its owner does within half a second. */
const LOOK_MS = 25;
/** What is left of the time that its asker waits, for the answer's way back. */
const WAY_BACK_MS = 1_000;
/** Commands that wait here to be heard; what comes beyond is answered when it is stored. */
const MOST_WAITING = 200;

export interface Obedience {
  /** Does what the messages ask for; never throws, and what only wakes is passed over. */
  obey(messages: readonly LogMessage[]): Promise<void>;
  /** Resolves when all have been answered. */
  settled(): Promise<void>;
}

interface Asked {
  readonly command: ControlCommand;
  /** Which partition of answers its asker reads. */
  readonly replyTo: number;
  readonly deadline: number;
}

/**
 * Does what engines are asked to do, and answers.
 *
 *  B1 what is past its deadline is not begun: whoever asked has done it by itself;
 *  B2 the signal is stored under the id of the command, so once, whoever else stores it;
 *  B3 whatever goes wrong holds back nobody: there is no answer then, and the asker does it by itself.
 */
export function createObedience(deps: {
  readonly signals: CommandedSignals;
  /** Of the engine of this process: it may own what was signalled. */
  readonly hints: RuntimeHints;
  readonly replies: Pick<EventLog, 'append'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly tracer: Tracer;
}): Obedience {
  const { signals, hints, replies, clock, log, tracer } = deps;
  const answering = new Set<Promise<void>>();

  async function begin(asked: Asked): Promise<void> {
    const { command, deadline } = asked;
    if (clock.now() >= deadline) return;
    const { tenant, executionId, signal, trace } = command;
    const span = tracer.begin('command', parseTrace(trace));
    const end = (outcome: 'ok' | 'fault'): void =>
      span.end(outcome, { execution: executionId, signal: signal.kind });
    let answer: SignalAnswer;
    try {
      answer = await signals.store(command, clock.now());
    } catch (error) {
      end('fault');
      throw error;
    }
    if (answer.kind === 'stored') {
      hints.signalled({ tenant, executionId, runtime: 'engine', signal, trace });
    }
    const answered = heardOrLate(asked)
      .then(() => reply(asked, { answer: answer.kind }))
      .then(
        () => end('ok'),
        (error: unknown) => {
          end('fault');
          tellOf(asked, error);
        },
      );
    answering.add(answered);
    void answered.finally(() => answering.delete(answered));
  }

  async function heardOrLate({ command, deadline }: Asked): Promise<void> {
    if (answering.size >= MOST_WAITING) return;
    while (clock.now() < deadline - WAY_BACK_MS) {
      if (await signals.isHeard(command.tenant, command.id)) return;
      await new Promise<void>((resolve) => clock.after(LOOK_MS, resolve));
    }
  }

  function reply({ command, replyTo }: Asked, value: Json): Promise<void> {
    return replies.append(REPLIES_TOPIC, [
      {
        ...{ tenant: command.tenant, key: command.id, partition: replyTo },
        value: JSON.stringify(value),
        headers: { [REQUEST_HEADERS.id]: command.id },
      },
    ]);
  }

  function tellOf({ command }: Asked, error: unknown): void {
    const { tenant, executionId } = command;
    log.warn('COMMAND_NOT_OBEYED', { tenant, execution_id: executionId, error });
  }

  return {
    async obey(messages) {
      await Promise.all(
        messages.map(async (message) => {
          const asked = askedBy(message);
          if (asked === null) return;
          try {
            await begin(asked);
          } catch (error) {
            tellOf(asked, error);
          }
        }),
      );
    },
    async settled() {
      await Promise.all(answering);
    },
  };
}

const by = Type.Union([Type.String(), Type.Null()]);
const isControl = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(
  Type.Object({
    ...EventEnvelopeSchema.properties,
    event_type: Type.Literal(CONTROL_TYPE),
    payload: Type.Object({
      execution_id: EventEnvelopeSchema.properties.event_id,
      signal: Type.Union([
        Type.Object({
          kind: Type.Literal('cancel'),
          ...{ by, reason: by, compensate: Type.Union([Type.Boolean(), Type.Null()]) },
        }),
        Type.Object({ kind: Type.Union([Type.Literal('pause'), Type.Literal('resume')]), by }),
      ]),
    }),
  }),
);

interface ControlEnvelope {
  readonly event_id: string;
  readonly tenant_id: string;
  readonly metadata: { readonly trace?: string };
  readonly payload: {
    readonly execution_id: string;
    readonly signal: ControlCommand['signal'];
  };
}

/** Null: it asks for nothing, or for nothing that this version knows. */
function askedBy({ tenant, headers, value }: LogMessage): Asked | null {
  const [id, replyTo, deadline] = [
    headers[REQUEST_HEADERS.id],
    Number(headers[REQUEST_HEADERS.replyTo]),
    Number(headers[REQUEST_HEADERS.deadline]),
  ];
  if (id === undefined || !Number.isInteger(replyTo) || !Number.isFinite(deadline)) return null;
  let envelope: unknown;
  try {
    envelope = JSON.parse(value);
  } catch {
    return null;
  }
  if (!isControl(envelope)) return null;
  const { event_id, tenant_id, payload, metadata } = envelope as unknown as ControlEnvelope;
  if (event_id !== id || tenant_id !== tenant) return null;
  const command = {
    ...{ id, tenant: tenant_id },
    ...{ executionId: payload.execution_id, signal: payload.signal },
    trace: metadata.trace,
  };
  return { command, replyTo, deadline };
}
