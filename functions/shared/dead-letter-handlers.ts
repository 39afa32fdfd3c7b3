import {
  type DeadLetterDeps,
  discardDeadLetter,
  getDeadLetter,
  listDeadLetterPatterns,
  listDeadLetters,
  redriveDeadLetter,
} from '#services/events/dead-letters.ts';
import type { Handlers, OperationsOf } from './api.ts';

export function deadLetterHandlers(deps: DeadLetterDeps): Handlers<OperationsOf<'dead-letters'>> {
  return {
    listDeadLetters: async ({ principal, query }) => ({
      body: await listDeadLetters(deps, principal, query),
    }),
    listDeadLetterPatterns: async ({ principal, query }) => ({
      body: await listDeadLetterPatterns(deps, principal, query),
    }),
    getDeadLetter: async ({ principal, params }) => ({
      body: await getDeadLetter(deps, principal, params.dead_letter_id),
    }),
    redriveDeadLetter: async ({ principal, params, body }) => ({
      body: await redriveDeadLetter(deps, principal, params.dead_letter_id, body),
    }),
    discardDeadLetter: async ({ principal, params, body }) => ({
      body: await discardDeadLetter(deps, principal, params.dead_letter_id, body),
    }),
  };
}
