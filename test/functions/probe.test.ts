import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { whyUnanswered } from '#adapters/http/answers.ts';
import { createJsonLog } from '#adapters/local/json-log.ts';
import { createEmfMetrics } from '#adapters/metrics/emf.ts';
import { standbyAlarmsOf } from '#config/alarms/recovery.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { createProbe, PROBE } from '#functions/probe/probe.ts';

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<{ readonly url: string; stop(): void }> {
  const server = createServer(listener);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/healthz`,
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

it('an answer is one of 200, whatever its body; it is not waited for', async () => {
  const { url } = await serve((_, response) => void response.writeHead(200).write('never ends'));
  expect(await whyUnanswered(url, 20_000)).toBeNull();
});

it.each([301, 403, 429, 500, 503, 504])('status %i is no answer', async (status) => {
  const { url } = await serve((_, response) => void response.writeHead(status).end());
  expect(await whyUnanswered(url, 20_000)).toBe(`status_${status}`);
});

it('whoever takes the request and says nothing has not answered in time', async () => {
  const { url } = await serve(() => undefined);
  expect(await whyUnanswered(url, 100)).toBe('no_answer');
});

it('a connection that is cut, or none, is no answer', async () => {
  const { url, stop } = await serve((request) => void request.socket.destroy());
  expect(await whyUnanswered(url, 20_000)).toBe('ECONNRESET');
  stop();
  expect(await whyUnanswered(url, 20_000)).toBe('ECONNREFUSED');
  expect(await whyUnanswered('https://no-such-host.invalid/', 20_000)).toMatch(/^E[A-Z_]+$/);
});

it('every question comes on a connection of its own', async () => {
  const ports = new Set<number | undefined>();
  const { url } = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    response.end();
  });
  for (let i = 0; i < 3; i++) expect(await whyUnanswered(url, 20_000)).toBeNull();
  expect(ports.size).toBe(3);
});

it('a minute is asked six times, and each is told at once, by the second', async () => {
  let asked = 0;
  // It goes away in the middle.
  const { url, stop } = await serve((_, response) => {
    response.end();
    if (++asked === 3) stop();
  });
  let now = 0;
  const at: number[] = [];
  const metrics: string[] = [];
  const lines: string[] = [];
  const probe = createProbe({
    url,
    whyUnanswered,
    clock: {
      monotonic: () => now,
      after(ms, callback) {
        now += ms;
        callback();
        return { cancel: () => undefined };
      },
    },
    metrics: createEmfMetrics({
      namespace: 'of-test',
      program: 'probe',
      now: () => now,
      write(line) {
        at.push(now);
        metrics.push(line);
      },
    }),
    log: createJsonLog({ write: (line) => lines.push(line), level: 'info', time: () => '' }),
  });
  expect(await probe()).toEqual({ asked: 6, unanswered: 3 });
  expect(at).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000]);
  expect(metrics.map((line) => JSON.parse(line))).toEqual(
    [0, 0, 0, 1, 1, 1].map((value) =>
      expect.objectContaining({
        RegionUnanswered: [value],
        _aws: expect.objectContaining({
          CloudWatchMetrics: [
            expect.objectContaining({
              Metrics: [{ Name: 'RegionUnanswered', Unit: 'Count', StorageResolution: 1 }],
            }),
          ],
        }),
      }),
    ),
  );
  expect(lines).toHaveLength(3);
  expect(lines.join('')).toContain('ECONNREFUSED');
});

it('a region that goes silent at any moment is known within two minutes', () => {
  const settings = readStageSettings({ stage: 'prod', account: undefined }, {});
  const alarm = standbyAlarmsOf(settings).find(({ name }) => name === 'region-unanswered');
  if (alarm?.kind !== 'metric') throw new TypeError('there is no such alarm');
  expect([alarm.priority, alarm.threshold, alarm.comparison]).toEqual(['P1', 0, 'above']);
  const period = alarm.periodSeconds * 1_000;
  // Every period has been asked in, also the first one that is silent from its beginning to its end.
  expect(PROBE.everyMs).toBeLessThan(period);
  const minute = FUNCTIONS.probe.triggers[0].everyMinutes * 60_000;
  expect(PROBE.times * PROBE.everyMs).toBe(minute);
  // The last question is over before the next ones begin.
  const last = (PROBE.times - 1) * PROBE.everyMs + PROBE.waitMs;
  expect(last).toBeLessThan(FUNCTIONS.probe.timeoutSeconds * 1_000);
  // One period that had begun before, the silent ones, the answer that was waited for; half a minute is left
  // for the log to become a metric and the alarm to be looked at.
  expect((1 + alarm.of) * period + PROBE.waitMs + 25_000).toBeLessThanOrEqual(120_000);
});
