import type { DeadLetterStatus } from '#core/events/dead-letter-status.ts';
import type { Mode, Page, PageRequest } from './execution-store.ts';

/** A message that a group could not use, after all its tries. */
export interface DeadLetter {
  readonly id: string;
  /** Null: the message did not say whose it is. */
  readonly tenant: string | null;
  readonly mode: Mode;
  readonly group: string;
  readonly topic: string;
  readonly eventId: string;
  readonly eventType: string | null;
  /** Name and code of the error, never its message: that may quote what the message said. */
  readonly error: { readonly name: string; readonly code: string | null };
  /** The same for errors of one kind in one place: what has one cause is handled together. */
  readonly fingerprint: string;
  readonly attempts: number;
  readonly critical: boolean;
  readonly status: DeadLetterStatus;
  readonly redrivable: boolean;
  readonly firstAt: number;
  readonly lastAt: number;
  /** By when somebody must have handled it. */
  readonly dueAt: number;
  readonly closedAt: number | null;
  readonly closedBy: string | null;
  readonly reason: string | null;
}

export interface NewDeadLetter {
  readonly id: string;
  readonly tenant: string | null;
  readonly mode: Mode;
  readonly group: string;
  readonly topic: string;
  readonly key: string;
  readonly eventId: string;
  readonly eventType: string | null;
  /** JSON; null: it was none, so it cannot be sent again. */
  readonly value: string | null;
  readonly error: DeadLetter['error'];
  readonly fingerprint: string;
  readonly attempts: number;
  readonly critical: boolean;
  readonly now: number;
  readonly dueAt: number;
}

/** Where messages are laid aside: by readers of topics. */
export interface DeadLetterBox {
  /**
   * Durable when it resolves, with its news on `dead-letter-queue`, in one transaction. A message that this
   * group laid aside before is open again, with its tries added.
   */
  lay(letter: NewDeadLetter): Promise<void>;
}

export interface DeadLetterFilter {
  readonly status: DeadLetterStatus | null;
  readonly group: string | null;
  readonly fingerprint: string | null;
}

export interface DeadLetterPattern {
  readonly fingerprint: string;
  readonly group: string;
  readonly eventType: string | null;
  readonly error: DeadLetter['error'];
  readonly open: number;
  readonly firstAt: number;
  readonly lastAt: number;
  readonly nextDueAt: number;
}

/** The messages of a tenant that were laid aside, for those who see to them. */
export interface DeadLetters {
  list(
    scope: DeadLetterScope,
    filter: DeadLetterFilter,
    page: PageRequest,
  ): Promise<Page<DeadLetter>>;
  /** Open ones by what they have in common, those with the most first. */
  patterns(scope: DeadLetterScope, limit: number): Promise<readonly DeadLetterPattern[]>;
  find(scope: DeadLetterScope, id: string): Promise<DeadLetter | null>;
  /**
   * Sends it to its topic once more, where every other group knows it by its id. Null: there is no such one;
   * else what it is now: unchanged where it was not open, or cannot be sent.
   */
  redrive(scope: DeadLetterScope, id: string, by: Closing): Promise<DeadLetter | null>;
  discard(scope: DeadLetterScope, id: string, by: Closing): Promise<DeadLetter | null>;
}

export interface DeadLetterScope {
  readonly tenant: string;
  readonly mode: Mode;
}

export interface Closing {
  readonly actor: string;
  readonly reason: string | null;
  readonly now: number;
}
