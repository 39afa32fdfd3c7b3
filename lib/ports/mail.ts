import type { JsonObject } from '#core/json.ts';
import type { TokenPurpose } from './one-time-tokens.ts';

/** Mail that the platform itself writes, by what it is about. */
export type MailTemplate =
  | `identity.${Exclude<TokenPurpose, 'second_factor'>}`
  | 'identity.address_changed';

/** What the topic of mail was asked for, whoever asked. */
export interface RequestedMail {
  /** Of the event; the same however often it comes. */
  readonly id: string;
  /** When it was asked for, as ISO 8601. */
  readonly at: string;
  readonly tenant: string;
  readonly mode: 'live' | 'test';
  /** As whoever asked wrote it: nobody has looked at it. */
  readonly payload: JsonObject;
}

/** Mail as it leaves. It holds tokens: no log may have it. */
export interface Letter extends RequestedMail {
  readonly template: MailTemplate;
  readonly to: string;
  readonly subject: string;
  /** Plain text: nothing of it is read as markup. */
  readonly text: string;
}

/** Why a mail is not sent to anybody. */
export const UNSENT_REASONS = ['expired', 'no_template', 'test_mode', 'no_sender'] as const;
export type UnsentReason = (typeof UNSENT_REASONS)[number];

export interface Mailer {
  /** False: the stage has no address that mail could come from. */
  readonly canSend: boolean;
  /** Resolves when somebody else answers for the letter. Throws a `MailError`, which says whether it may have left. */
  send(letter: Letter): Promise<void>;
  /** What is sent to nobody: kept where a person can look at it, or nowhere. */
  keep(mail: RequestedMail, reason: UnsentReason): Promise<void>;
}

/**
 * - `away`: it has not left, and may a moment or a person later: a part of ours is silent, full or not in order;
 * - `slow_down`: it has not left, and we were asked to wait;
 * - `refused`: it has not left and never will;
 * - `unknown`: there was no answer, so it may have left.
 */
export type MailOutcome = 'away' | 'slow_down' | 'refused' | 'unknown';

/** The message names what was answered and never who was written to, or what. */
export class MailError extends Error {
  readonly outcome: MailOutcome;
  readonly code: string;
  constructor(outcome: MailOutcome, code: string) {
    super(`mail: ${code}`);
    this.name = NAMES[outcome];
    this.outcome = outcome;
    this.code = code;
  }
}

const NAMES: { readonly [O in MailOutcome]: string } = {
  away: 'MailAway',
  slow_down: 'MailAway',
  refused: 'MailRefused',
  unknown: 'MailUnknown',
};

/**
 * How often each mail was tried, written before each try.
 *
 *  R1 no mail is tried more often than `MOST_MAIL_TRIES` times, whatever crashes in between: a try that may
 *     have left stays counted;
 *  R2 nobody tries while another does, or may still do;
 *  R3 what was sent is remembered for longer than its topic can bring it again.
 */
export interface MailTries {
  begin(id: string, now: number): Promise<'begun' | 'sent' | 'busy' | 'spent'>;
  /** It has left. */
  sent(id: string, now: number): Promise<void>;
  /** The next one may begin; `counts`: whether this one may have left. */
  end(id: string, counts: boolean): Promise<void>;
}
