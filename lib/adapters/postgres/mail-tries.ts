import type { Pool } from 'pg';
import { MOST_MAIL_TRIES } from '#config/consumers.ts';
import { TOPICS } from '#config/topics.ts';
import type { MailTries } from '#ports/mail.ts';
import { seconds } from './rows.ts';

const DAY_MS = 86_400_000;
/** Real time, longer than one try can take; after a crash it is how long the next one waits. */
const BUSY = "interval '30 seconds'";

/** `pool`: role `cloudflow_relay`. */
export function createMailTries(pool: Pool): MailTries {
  // A topic keeps a little longer than it says, and what was laid aside may be sent on within a month.
  const keptMs = (TOPICS['notifications.email'].retentionDays + 31) * DAY_MS;
  return {
    async begin(id, now) {
      const { rowCount } = await pool.query({
        name: 'begin_mail_try',
        text: `insert into mail_tries as m (event_id, tries, busy_until, until)
               values ($1, 1, clock_timestamp() + ${BUSY}, to_timestamp($2))
               on conflict (event_id) do update
                 set tries = m.tries + 1, busy_until = excluded.busy_until
                 where m.sent_at is null and m.busy_until <= clock_timestamp() and m.tries < $3`,
        values: [id, seconds(now + keptMs), MOST_MAIL_TRIES],
      });
      if (rowCount === 1) return 'begun';
      const { rows } = await pool.query<{ sent: boolean; busy: boolean }>({
        name: 'why_no_mail_try',
        text: `select sent_at is not null as sent, busy_until > clock_timestamp() as busy
               from mail_tries where event_id = $1`,
        values: [id],
      });
      const [row] = rows;
      if (row?.sent === true) return 'sent';
      // One that has ended since then is as good as busy: the message comes again.
      return row === undefined || row.busy ? 'busy' : 'spent';
    },

    async sent(id, now) {
      await pool.query({
        name: 'end_mail_sent',
        text: 'update mail_tries set sent_at = to_timestamp($2) where event_id = $1',
        values: [id, seconds(now)],
      });
    },

    async end(id, counts) {
      await pool.query({
        name: 'end_mail_try',
        text: `update mail_tries set busy_until = clock_timestamp(), tries = tries - $2
               where event_id = $1 and sent_at is null`,
        values: [id, counts ? 0 : 1],
      });
    },
  };
}
