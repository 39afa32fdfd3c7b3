/**
 * Sends what the topic of mail asks for.
 *
 *  L1 only what the platform itself asked for is written in its name: what a step of a workflow asks for
 *     never is, whatever it calls its template;
 *  L2 a mail is tried as often as `MailTries` says and not once more; one that was sent is not sent again;
 *  L3 what has not left for sure is no try; what may have left is one, also after a crash;
 *  L4 a token that is good no more is not mailed.
 */
import { METRICS } from '#config/metrics.ts';
import type { PlatformEvent } from '#core/events/schemas.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import {
  type Letter,
  MailError,
  type Mailer,
  type MailTries,
  type RequestedMail,
  type UnsentReason,
} from '#ports/mail.ts';
import type { Metrics } from '#ports/metrics.ts';
import type { Projection } from '#ports/projections.ts';
import { isTemplate, write } from './letters.ts';

export interface SendMailDeps {
  readonly mailer: Mailer;
  readonly tries: MailTries;
  /** Where the API is reached from outside. */
  readonly publicUrl: () => string;
  readonly clock: Pick<Clock, 'now' | 'after'>;
  readonly metrics: Metrics;
}

/** Whoever is asked to slow down waits so long, so often, and then leaves the rest for later. */
const SLOW_DOWN_MS = 1_000;
const SLOW_DOWNS = 10;

/** Handles mails one after the other. Throws the `MailError` of the first that could not be sent. */
export function createMailSender(deps: SendMailDeps): Projection {
  const { mailer, tries, clock, metrics } = deps;

  async function send(letter: Letter): Promise<boolean> {
    for (let slowed = 0; ; slowed++) {
      const state = await tries.begin(letter.id, clock.now());
      if (state === 'sent') return false;
      if (state === 'busy') throw new MailError('away', 'BUSY');
      if (state === 'spent') throw new MailError('refused', 'TRIES_SPENT');
      try {
        await mailer.send(letter);
      } catch (error) {
        const outcome = error instanceof MailError ? error.outcome : 'unknown';
        await tries.end(letter.id, outcome === 'unknown');
        if (outcome !== 'slow_down' || slowed === SLOW_DOWNS) throw error;
        await new Promise<void>((resolve) => clock.after(SLOW_DOWN_MS, resolve));
        continue;
      }
      await tries.sent(letter.id, clock.now());
      metrics.add(METRICS.MailSent, {}, 1);
      metrics.add(METRICS.MailDelay, {}, Math.max(0, clock.now() - Date.parse(letter.at)));
      return true;
    }
  }

  async function one(event: PlatformEvent): Promise<boolean> {
    if (event.event_type !== 'notifications.email.requested') return false;
    const mail: RequestedMail = {
      id: event.event_id,
      at: event.timestamp,
      tenant: event.tenant_id,
      mode: event.payload.mode,
      payload: event.payload as unknown as JsonObject,
    };
    const read = letterOf(mail, deps.publicUrl(), clock.now());
    const unsent = typeof read === 'string' ? read : mailer.canSend ? null : 'no_sender';
    if (unsent !== null) {
      await mailer.keep(mail, unsent);
      metrics.add(METRICS.MailNotSent, { Reason: unsent }, 1);
      return false;
    }
    return send(read as Letter);
  }

  return {
    async apply(events) {
      let sent = 0;
      for (const event of events) if (await one(event)) sent += 1;
      return sent;
    },
  };
}

/** The letter, or why there is none. */
function letterOf(mail: RequestedMail, baseUrl: string, now: number): Letter | UnsentReason {
  const { template, to, data = null } = mail.payload;
  if (mail.mode === 'test') return 'test_mode';
  const ofStep = 'execution_id' in mail.payload || 'notification_id' in mail.payload;
  if (ofStep || !isTemplate(template) || typeof to !== 'string' || !isJsonObject(data)) {
    return 'no_template';
  }
  const { expires_at } = data;
  if (typeof expires_at === 'string' && Date.parse(expires_at) <= now) return 'expired';
  return { ...mail, template, to, ...write(template, data, baseUrl) };
}
