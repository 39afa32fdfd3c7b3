import { afterEach, beforeEach, expect, it } from 'vitest';
import { createXrayTracer, type XrayTracer } from '#adapters/xray/tracer.ts';
import type { Trace } from '#core/trace.ts';
import { startTraceDaemon, type TraceDaemon } from '#test/support/trace-daemon.ts';

const UNDER: Trace = {
  id: '5759e988bd862e3fe1be46a994272793',
  parent: '53995c3f42cd8ad8',
  sampled: true,
};

let daemon: TraceDaemon;
let now = 1_764_144_000_000;
const open: XrayTracer[] = [];
beforeEach(async () => {
  daemon = await startTraceDaemon();
});
afterEach(async () => {
  for (const tracer of open.splice(0)) tracer.close();
  await daemon.close();
});

function tracer(host: 'lambda' | 'container', more: Record<string, string> = {}): XrayTracer {
  const made = createXrayTracer({
    name: 'cloudflow-dev-engine',
    host,
    now: () => now,
    environment: { AWS_XRAY_DAEMON_ADDRESS: daemon.address, ...more },
  });
  open.push(made);
  return made;
}
const told = (count: number) =>
  expect.poll(() => daemon.documents.length, { timeout: 10_000 }).toBe(count);

it('tells a segment under the one that it goes on from, and what goes on from it', async () => {
  const span = tracer('container').begin('step', UNDER);
  expect(span.trace).toEqual({ ...UNDER, parent: expect.stringMatching(/^[0-9a-f]{16}$/) });
  expect(span.trace?.parent).not.toBe(UNDER.parent);
  now += 250;
  span.end('ok', { execution: 'e', step_type: 'http_request', attempt: 2 });
  span.end('fault', {});
  await told(1);
  expect(daemon.documents).toEqual([
    {
      name: 'cloudflow-dev-engine',
      id: span.trace?.parent,
      trace_id: '1-5759e988-bd862e3fe1be46a994272793',
      parent_id: UNDER.parent,
      start_time: (now - 250) / 1_000,
      end_time: now / 1_000,
      annotations: { what: 'step', execution: 'e', step_type: 'http_request', attempt: 2 },
    },
  ]);
});

it('says how it ended: by a fault of ours, or an error of whoever asked', async () => {
  const { begin } = tracer('container');
  begin('request', UNDER).end('fault', {});
  begin('request', UNDER).end('error', {});
  await told(2);
  expect(daemon.documents.map(({ fault, error }) => [fault, error])).toEqual([
    [true, undefined],
    [undefined, true],
  ]);
});

it('on Lambda tells parts of the segment that Lambda made, which says anew where it stands', async () => {
  const environment: Record<string, string> = { AWS_XRAY_DAEMON_ADDRESS: daemon.address };
  const made = createXrayTracer({ name: 'f', host: 'lambda', now: () => now, environment });
  open.push(made);
  expect(made.ambient()).toBeNull();
  environment['_X_AMZN_TRACE_ID'] =
    'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0';
  expect(made.ambient()).toEqual(UNDER);
  made.begin('request', made.ambient()).end('ok', { operation: 'getExecution' });
  await told(1);
  expect(daemon.documents[0]).toMatchObject({
    type: 'subsegment',
    name: 'request',
    parent_id: UNDER.parent,
  });
  // What a batch of events brings was caused elsewhere: it is a segment of this program in that trace.
  const elsewhere: Trace = { ...UNDER, id: 'a'.repeat(32) };
  made.begin('event', elsewhere).end('ok', { group: 'billing' });
  await told(2);
  expect(daemon.documents[1]).toMatchObject({
    ...{ name: 'f', trace_id: `1-aaaaaaaa-${'a'.repeat(24)}`, parent_id: UNDER.parent },
    annotations: { what: 'event', group: 'billing' },
  });
  expect(daemon.documents[1]).not.toHaveProperty('type');
  // A container is told by nobody.
  expect(tracer('container', environment).ambient()).toBeNull();
});

it('tells nothing of what nobody records, and passes it on as it came', async () => {
  const { begin } = tracer('container');
  const unrecorded = { ...UNDER, sampled: false };
  const [none, passed] = [begin('step', null), begin('step', unrecorded)];
  expect([none.trace, passed.trace]).toEqual([null, unrecorded]);
  none.end('ok', {});
  passed.end('ok', {});
  begin('step', UNDER).end('ok', {});
  await told(1);
});

it('is not disturbed by a daemon that is not there', async () => {
  const made = tracer('container', { AWS_XRAY_DAEMON_ADDRESS: '127.0.0.1:1' });
  for (let i = 0; i < 20; i++) made.begin('step', UNDER).end('ok', {});
  await made.settled();
  made.begin('step', UNDER).end('ok', {});
  await made.settled();
});

it('reads the address also as the daemon may be named for two protocols', async () => {
  const made = tracer('container', {
    AWS_XRAY_DAEMON_ADDRESS: `tcp:127.0.0.1:1 udp:${daemon.address}`,
  });
  made.begin('step', UNDER).end('ok', {});
  await told(1);
});
