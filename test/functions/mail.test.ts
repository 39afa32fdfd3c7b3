import { SESv2Client } from '@aws-sdk/client-sesv2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { guarded } from '#adapters/aws/guarded.ts';
import { createIds } from '#adapters/local/ids.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createSystemClock } from '#adapters/local/system-clock.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { createMailTries } from '#adapters/postgres/mail-tries.ts';
import { createPartitions } from '#adapters/postgres/partitions.ts';
import { createPlainCodec } from '#adapters/postgres/payload-codec.ts';
import { createSesMailer } from '#adapters/ses/mailer.ts';
import { MOST_MAIL_TRIES } from '#config/consumers.ts';
import { createConsumers } from '#functions/shared/consumers.ts';
import { NO_CACHE } from '#ports/cache.ts';
import type { LogBatch } from '#ports/event-log.ts';
import { NO_TRACER } from '#ports/tracer.ts';
import { createMailSender } from '#services/notifications/send-mail.ts';
import { clientConfig } from '#test/support/aws.ts';
import {
  createTestDatabase,
  describeWithPostgres,
  type TestDatabase,
} from '#test/support/database.ts';
import { aBatch } from '#test/support/events.ts';
import { TENANT } from '#test/support/platform.ts';
import { startSes, type TestSes } from '#test/support/ses.ts';

const TOPIC = 'notifications.email';
const TOKEN = 'cfi_very-secret-token';
let next = 0;

function aMail(payload: object = {}, data: object = {}) {
  next += 1;
  return {
    event_id: `00000000-0000-4000-8000-${String(next).padStart(12, '0')}`,
    event_type: 'notifications.email.requested',
    timestamp: new Date().toISOString(),
    correlation_id: null,
    tenant_id: TENANT,
    payload: {
      mode: 'live',
      template: 'identity.invitation',
      to: `ada.${next}@example.com`,
      data: {
        ...{ token: TOKEN, tenant: 'acme', name: 'Ada Lovelace' },
        expires_at: new Date(Date.now() + 86_400_000).toISOString(),
        ...data,
      },
      ...payload,
    },
    metadata: { source_service: 'test', schema_version: '1.0' },
  };
}

describeWithPostgres('mail that is sent by SES', () => {
  let database: TestDatabase;
  let ses: TestSes;
  let client: SESv2Client;
  let handle: (batch: LogBatch) => Promise<number>;
  let lines: string[];
  let metrics: ReturnType<typeof createLocalMetrics>;
  const real = createSystemClock();
  /** Pauses are told and not slept. */
  const clock = { ...real, after: (_: number, callback: () => void) => real.after(0, callback) };

  /** A process of its own: it knows of no breaker that opened elsewhere. */
  function begin(from = 'no-reply@mail.example', requestTimeout = 60_000) {
    client = new SESv2Client({
      ...clientConfig(ses),
      maxAttempts: 1,
      requestHandler: { requestTimeout, throwOnRequestTimeout: true },
    });
    const pool = database.pool('cloudflow_relay');
    return createConsumers({
      ...{ pool, clock, metrics, partitions: createPartitions(pool) },
      cache: NO_CACHE,
      tracer: NO_TRACER,
      codec: createPlainCodec(),
      ids: createIds(),
      log: createJsonLog({ write: (line) => lines.push(line), level: 'debug', time: () => '' }),
      mail: createMailSender({
        mailer: createSesMailer(guarded('mail', client, { clock: real, metrics }), {
          from,
          configurationSet: 'cloudflow-dev',
        }),
        tries: createMailTries(pool),
        publicUrl: () => 'https://api.example',
        ...{ clock, metrics },
      }),
    }).mail;
  }
  beforeEach(async () => {
    database = await createTestDatabase();
    ses = await startSes();
    lines = [];
    metrics = createLocalMetrics();
    handle = begin();
    return () => ses.close();
  });
  afterEach(() => {
    // Whatever happened: neither a token nor an address is in a line.
    expect(lines.join('\n')).not.toContain(TOKEN);
    expect(lines.join('\n')).not.toContain('@example.com');
  });

  const letters = async () =>
    (
      await database.admin.query<{ error_name: string; error_code: string; attempts: number }>(
        'select error_name, error_code, attempts from dead_letters order by event_id',
      )
    ).rows;
  const free = () =>
    database.admin.query(
      'update mail_tries set busy_until = clock_timestamp() where sent_at is null',
    );

  it('says what it is for, whose it is and what to do, and names its event', async () => {
    const mail = aMail();
    expect(await handle(aBatch(TOPIC, [mail]))).toBe(1);
    const [sent] = ses.taken;
    expect(sent).toMatchObject({
      FromEmailAddress: 'CloudFlow <no-reply@mail.example>',
      ConfigurationSetName: 'cloudflow-dev',
      Destination: { ToAddresses: [mail.payload.to] },
      EmailTags: [{ Name: 'event_id', Value: mail.event_id }],
    });
    const { Subject, Body, Headers } = sent!.Content.Simple;
    expect(Headers).toContainEqual({ Name: 'X-CloudFlow-Id', Value: mail.event_id });
    expect(Subject.Data).toBe('You are invited to CloudFlow');
    for (const part of [
      'Hello Ada Lovelace,',
      '“acme”',
      TOKEN,
      mail.payload.data.expires_at,
      'https://api.example/api/v1/auth/invitations/accept',
    ]) {
      expect(Body.Text.Data).toContain(part);
    }
  });

  it('has a letter for everything that identity mails', async () => {
    const templates = ['invitation', 'reset_password', 'confirm_address', 'address_changed'];
    const mails = templates.map((name) => aMail({ template: `identity.${name}` }));
    expect(await handle(aBatch(TOPIC, mails))).toBe(4);
    const subjects = ses.taken.map(({ Content }) => Content.Simple.Subject.Data);
    expect(new Set(subjects).size).toBe(4);
  });

  it.each([
    'Ada http://evil.example',
    'see evil.example now',
    'Ada\r\nBcc: all@example.com',
    'www.evil.example',
    'x'.repeat(61),
  ])('does not say the name %j in our name', async (name) => {
    await handle(aBatch(TOPIC, [aMail({}, { name, tenant: 'http://evil.example' })]));
    const text = ses.taken[0]!.Content.Simple.Body.Text.Data;
    expect(text.startsWith('Hello,\n')).toBe(true);
    expect(text).not.toContain('evil');
  });

  it('is sent once, however often it comes', async () => {
    const mails = [aMail(), aMail(), aMail()];
    expect(await handle(aBatch(TOPIC, [...mails, ...mails]))).toBe(6);
    expect(await begin()(aBatch(TOPIC, mails.toReversed()))).toBe(3);
    expect(ses.taken).toHaveLength(3);
  });

  it('is not sent where a workflow asks in our name, where a test does, too late, or without a template', async () => {
    const late = { expires_at: new Date(Date.now() - 1).toISOString() };
    const mails = [
      aMail({ notification_id: 'x', execution_id: 'x', step: 's' }),
      aMail({ execution_id: 'x' }),
      aMail({ mode: 'test' }),
      aMail({ template: 'order-shipped' }),
      aMail({ template: null }),
      aMail({ to: { list: 'everybody' } }),
      aMail({}, late),
    ];
    expect(await handle(aBatch(TOPIC, mails))).toBe(7);
    expect(ses.asked).toBe(0);
    expect(await letters()).toEqual([]);
    const told = [...metrics.text().matchAll(/not_sent\S*reason="(\w+)"\S* (\d+)$/gim)];
    expect(Object.fromEntries(told.map(([, reason, n]) => [reason, Number(n)]))).toEqual({
      ...{ no_template: 5, test_mode: 1, expired: 1 },
    });
  });

  it('is sent from no stage that has no address', async () => {
    expect(await begin('')(aBatch(TOPIC, [aMail()]))).toBe(1);
    expect(ses.asked).toBe(0);
  });

  it('waits when SES asks for it, and none of those refusals is a try', async () => {
    const slow = { status: 429, error: 'TooManyRequestsException' };
    ses.answers.push(...Array.from({ length: 8 }, () => slow));
    expect(await handle(aBatch(TOPIC, [aMail(), aMail()]))).toBe(2);
    expect(ses.taken).toHaveLength(2);
    expect(ses.asked).toBe(10);
    const { rows } = await database.admin.query('select tries from mail_tries');
    expect(rows).toEqual([{ tries: 1 }, { tries: 1 }]);
  });

  it('is left for later when SES goes on asking to wait: what was sent stays sent', async () => {
    const [first, second] = [aMail(), aMail()];
    const slow = { status: 429, error: 'TooManyRequestsException' };
    ses.refuse(second.payload.to, slow);
    expect(await handle(aBatch(TOPIC, [first, second, aMail()]))).toBe(1);
    expect(ses.taken).toHaveLength(1);
    expect(await letters()).toEqual([]);
  });

  it.each([
    ['SendingPausedException', 400],
    ['AccountSuspendedException', 400],
    ['MailFromDomainNotVerifiedException', 400],
    ['AccessDeniedException', 403],
    ['InternalServiceError', 500],
    ['ServiceUnavailable', 503],
  ])('waits in its topic while we are not in order: %s', async (error, status) => {
    const mail = aMail();
    ses.answers.push({ status, error });
    expect(await handle(aBatch(TOPIC, [mail, aMail()]))).toBe(0);
    expect(await letters()).toEqual([]);
    expect(await handle(aBatch(TOPIC, [mail]))).toBe(1);
    expect(ses.taken).toHaveLength(1);
  });

  it.each(['MessageRejected', 'BadRequestException'])(
    'to an address that SES refuses with %s is laid aside at once, and its neighbours are sent',
    async (error) => {
      const bad = aMail();
      ses.refuse(bad.payload.to, { status: 400, error });
      expect(await handle(aBatch(TOPIC, [aMail(), bad, aMail()]))).toBe(3);
      expect(ses.taken).toHaveLength(2);
      expect(ses.asked).toBe(3);
      expect(await letters()).toEqual([
        { error_name: 'MailRefused', error_code: error, attempts: 1 },
      ]);
    },
  );

  it('that had no answer may have arrived: it is tried four times in all and then laid aside', async () => {
    const mail = aMail();
    ses.refuse(mail.payload.to, 'cut');
    expect(await handle(aBatch(TOPIC, [mail, aMail()]))).toBe(2);
    const copies = () => ses.taken.filter(({ EmailTags }) => EmailTags[0]?.Value === mail.event_id);
    expect(copies()).toHaveLength(MOST_MAIL_TRIES);
    expect(await letters()).toMatchObject([{ error_name: 'MailUnknown', attempts: 4 }]);
    // Nor is there a fifth, for whoever sends it on.
    expect(await begin()(aBatch(TOPIC, [mail]))).toBe(1);
    expect(copies()).toHaveLength(MOST_MAIL_TRIES);
    expect(ses.taken).toHaveLength(MOST_MAIL_TRIES + 1);
  });

  it('is tried four times in all also when SES takes it, is silent, and the batch comes again and again', async () => {
    const mail = aMail();
    ses.refuse(mail.payload.to, 'silence');
    // Five in a row open the breaker: nothing is asked then, and what is not asked is no try.
    const other = aMail();
    ses.refuse(other.payload.to, 'silence');
    for (let delivery = 0; delivery < 12; delivery++) {
      await begin('no-reply@mail.example', 50)(aBatch(TOPIC, [other, mail]));
    }
    // On a machine that is busy SES may not even have seen a try that was given up.
    for (const { event_id } of [mail, other]) {
      const copies = ses.taken.filter(({ EmailTags }) => EmailTags[0]?.Value === event_id);
      expect(copies.length).toBeLessThanOrEqual(MOST_MAIL_TRIES);
    }
    const { rows } = await database.admin.query('select tries from mail_tries');
    expect(rows).toEqual([{ tries: MOST_MAIL_TRIES }, { tries: MOST_MAIL_TRIES }]);
    expect(await letters()).toHaveLength(2);
  }, 120_000);

  it('of a process that was killed in between is left alone while it may still send, and then tried again', async () => {
    const mail = aMail();
    const tries = createMailTries(database.pool('cloudflow_relay'));
    // It had written down its try, and perhaps sent; nothing ever ended it.
    for (let kills = 0; kills < MOST_MAIL_TRIES; kills++) {
      expect(await tries.begin(mail.event_id, Date.now())).toBe('begun');
      expect(await handle(aBatch(TOPIC, [mail]))).toBe(0);
      await free();
    }
    expect(ses.asked).toBe(0);
    // As often as it may have been sent.
    expect(await handle(aBatch(TOPIC, [mail]))).toBe(1);
    expect(ses.asked).toBe(0);
    expect(await letters()).toEqual([
      { error_name: 'MailRefused', error_code: 'TRIES_SPENT', attempts: 1 },
    ]);
  });

  it('is sent by one of many that get it at once', async () => {
    const mail = aMail();
    const all = Array.from({ length: 6 }, () => begin()(aBatch(TOPIC, [mail])));
    const done = await Promise.all(all);
    expect(ses.taken).toHaveLength(1);
    expect(done.filter((n) => n === 1).length).toBeGreaterThan(0);
  });
});
