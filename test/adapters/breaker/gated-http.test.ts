import { describe, expect, it } from 'vitest';
import { createGatedHttp, IMPATIENT_LIMITS } from '#adapters/breaker/gated-http.ts';
import { createOutboundGate } from '#adapters/breaker/outbound-gate.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import type { Http, HttpAnswer, HttpRequest } from '#ports/http.ts';

const OK: HttpAnswer = { ok: true, status: 200, headers: {}, body: new Uint8Array() };
const SILENT: HttpAnswer = { ok: false, reason: 'aborted', message: 'its time was over' };
const { failures, openMs } = IMPATIENT_LIMITS;

function open() {
  const time = { now: 0 };
  const idle = () => ({ cancel: () => undefined });
  const clock = { now: () => 0, monotonic: () => time.now, schedule: idle, after: idle };
  const metrics = createLocalMetrics();
  const asked: string[] = [];
  let answer: HttpAnswer = OK;
  const http: Http = {
    request: async ({ url }) => {
      asked.push(url);
      return answer;
    },
    close: async () => undefined,
  };
  const gated = createGatedHttp(http, createOutboundGate(clock, IMPATIENT_LIMITS, metrics));
  const ask = (url = 'https://id.example/keys', tenant = 'one') =>
    gated.request({ ...REQUEST, tenant, url });
  const answers = (next: HttpAnswer): void => {
    answer = next;
  };
  return { time, metrics, asked, ask, answers };
}

const REQUEST: HttpRequest = {
  ...{ tenant: 'one', method: 'GET', url: '', headers: {}, secretHeaders: [], body: null },
  ...{ maxRedirects: 0, maxResponseBytes: 1_000, signal: new AbortController().signal },
};

describe('HTTP behind a gate', () => {
  it.each(['unreachable', 'idle', 'aborted'] as const)(
    'a host that is silent (%s) is not asked again until it may be, and whoever asks is told at once',
    async (reason) => {
      const { asked, ask, answers, time, metrics } = open();
      answers({ ok: false, reason, message: '' });
      for (let i = 0; i < failures; i++) expect(await ask()).toMatchObject({ reason });
      expect(await ask()).toMatchObject({ ok: false, reason: 'unreachable' });
      expect(asked).toHaveLength(failures);
      expect(metrics.text()).toMatch(/circuits_opened\S* 1$/m);
      time.now += openMs;
      answers(OK);
      expect(await ask()).toMatchObject({ ok: true });
      expect(await ask()).toMatchObject({ ok: true });
      expect(asked).toHaveLength(failures + 2);
    },
  );

  it('neither another host nor another tenant feels it', async () => {
    const { asked, ask, answers } = open();
    answers(SILENT);
    for (let i = 0; i < failures + 3; i++) await ask();
    answers(OK);
    expect(await ask('https://other.example/')).toMatchObject({ ok: true });
    expect(await ask('https://id.example/keys', 'two')).toMatchObject({ ok: true });
    expect(asked).toHaveLength(failures + 2);
  });

  it('an answer, whatever it is, and a refusal of ours open nothing', async () => {
    const { asked, ask, answers } = open();
    const answersOfAll: HttpAnswer[] = [
      { ...OK, status: 500 },
      { ok: false, reason: 'refused', message: '' },
      { ok: false, reason: 'too_large', message: '' },
    ];
    for (const each of answersOfAll) {
      answers(each);
      for (let i = 0; i < failures + 1; i++) await ask();
    }
    expect(asked).toHaveLength(answersOfAll.length * (failures + 1));
  });

  it('what is no address is the transport’s to refuse', async () => {
    const { asked, ask } = open();
    await ask('nonsense');
    expect(asked).toEqual(['nonsense']);
  });
});
