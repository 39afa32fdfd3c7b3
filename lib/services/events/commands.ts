import { COMMANDS_TOPIC } from '#config/topics.ts';
import type { EventLog, LogSubscription } from '#ports/event-log.ts';
import type { Obedience } from './obey-commands.ts';

/** Engines of all processes read as one group, so each command wakes one of them. */
export const ENGINE_GROUP = 'workflow-engine';
/** A batch is one look, however many commands it holds. */
const MOST = 500;

/**
 * Wakes an engine when there is something to do, and has done what a command asks for beside that. Most ask for
 * nothing: the engine looks in the database, which decides who gets what and in which order. So commands may be
 * late, lost, twice or nonsense, and those that somebody else's look has settled already cost one look.
 */
export function listenForCommands(
  log: EventLog,
  engine: { readonly wake: () => void },
  /** Null: where nobody can ask for anything. */
  obedience: Obedience | null,
): LogSubscription {
  const reading = log.subscribe({
    group: ENGINE_GROUP,
    topic: COMMANDS_TOPIC,
    most: MOST,
    async handle({ messages }) {
      await obedience?.obey(messages);
      engine.wake();
      return messages.length;
    },
  });
  return {
    async close() {
      await reading.close();
      await obedience?.settled();
    },
  };
}
