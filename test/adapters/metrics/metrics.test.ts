import { describe, expect, it } from 'vitest';
import { createEmfMetrics } from '#adapters/metrics/emf.ts';
import { createLocalMetrics } from '#adapters/metrics/local-metrics.ts';
import { METRICS } from '#config/metrics.ts';

interface Document {
  readonly _aws: {
    readonly Timestamp: number;
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly { readonly Name: string; readonly Unit: string }[];
    }[];
  };
  readonly [name: string]: unknown;
}

function openEmf() {
  const documents: Document[] = [];
  const emf = createEmfMetrics({
    namespace: 'CloudFlow/dev',
    program: 'engine',
    write: (line) => {
      expect(line.endsWith('\n')).toBe(true);
      documents.push(JSON.parse(line) as Document);
    },
    now: () => 1_795_000_000_000,
  });
  return { emf, documents };
}

describe('metrics as lines of the log', () => {
  it('one document holds what has the same dimensions, named and in its unit', () => {
    const { emf, documents } = openEmf();
    emf.add(METRICS.ExecutionsStarted, { Runtime: 'engine' });
    emf.add(METRICS.ExecutionsStarted, { Runtime: 'engine' }, 2);
    emf.add(METRICS.StartDelay, { Runtime: 'engine' }, 12);
    emf.add(METRICS.StartDelay, { Runtime: 'engine' }, 15);
    emf.add(METRICS.ExecutionsStarted, { Runtime: 'step_functions' });
    emf.watch(METRICS.EngineExecutions, {}, () => 7);
    emf.flush();
    expect(documents).toEqual([
      {
        _aws: {
          Timestamp: 1_795_000_000_000,
          CloudWatchMetrics: [
            {
              Namespace: 'CloudFlow/dev',
              Dimensions: [['Runtime']],
              Metrics: [
                { Name: 'ExecutionsStarted', Unit: 'Count' },
                { Name: 'StartDelay', Unit: 'Milliseconds' },
              ],
            },
          ],
        },
        program: 'engine',
        Runtime: 'engine',
        ExecutionsStarted: 3,
        StartDelay: [12, 15],
      },
      expect.objectContaining({ Runtime: 'step_functions', ExecutionsStarted: 1 }),
      expect.objectContaining({ EngineExecutions: 7 }),
    ]);
    expect(documents[2]?._aws.CloudWatchMetrics[0]?.Dimensions).toEqual([[]]);
  });

  it('what was told is not told again, levels are read anew, and their end ends them', () => {
    const { emf, documents } = openEmf();
    let level = 1;
    const watch = emf.watch(METRICS.EngineExecutions, {}, () => level);
    emf.add(METRICS.EngineTakeOvers, {});
    emf.flush();
    level = 2;
    emf.flush();
    watch.end();
    emf.flush();
    expect(documents.map(({ EngineExecutions }) => EngineExecutions)).toEqual([1, 2]);
    expect(documents.map(({ EngineTakeOvers }) => EngineTakeOvers)).toEqual([1, undefined]);
  });

  it('a busy minute is told in a bounded number of values, spread over all that came', () => {
    const { emf, documents } = openEmf();
    for (let i = 1; i <= 100_000; i++) emf.add(METRICS.AppendDuration, {}, i);
    emf.add(METRICS.AppendDuration, {}, Number.NaN);
    emf.flush();
    const values = documents[0]?.['AppendDuration'] as number[];
    expect(values.length).toBeGreaterThan(49);
    expect(values.length).toBeLessThanOrEqual(100);
    const middle = values[Math.floor(values.length / 2)] as number;
    expect(middle).toBeGreaterThan(45_000);
    expect(middle).toBeLessThan(55_000);
    expect(values.at(-1)).toBeGreaterThan(97_000);
  });
});

describe('metrics of the local platform', () => {
  it('are text as Prometheus reads it', () => {
    const metrics = createLocalMetrics();
    metrics.add(METRICS.ApiRequests, { Operation: 'getHealth', Class: '2xx' });
    metrics.add(METRICS.ApiRequests, { Operation: 'getHealth', Class: '2xx' });
    for (let i = 1; i <= 100; i++)
      metrics.add(METRICS.ApiLatency, { Operation: 'getHealth', Class: '2xx' }, i);
    metrics.watch(METRICS.PoolUse, { Program: 'platform', Pool: 'api' }, () => 25);
    expect(metrics.text().split('\n')).toEqual([
      '# HELP cloudflow_api_requests_total answers, by operation and class of status',
      '# TYPE cloudflow_api_requests_total counter',
      'cloudflow_api_requests_total{operation="getHealth",class="2xx"} 2',
      '# HELP cloudflow_api_latency_milliseconds from the arrival of a request to its answer, inside our code',
      '# TYPE cloudflow_api_latency_milliseconds summary',
      'cloudflow_api_latency_milliseconds{operation="getHealth",class="2xx",quantile="0.5"} 51',
      'cloudflow_api_latency_milliseconds{operation="getHealth",class="2xx",quantile="0.95"} 96',
      'cloudflow_api_latency_milliseconds{operation="getHealth",class="2xx",quantile="0.99"} 100',
      'cloudflow_api_latency_milliseconds_sum{operation="getHealth",class="2xx"} 5050',
      'cloudflow_api_latency_milliseconds_count{operation="getHealth",class="2xx"} 100',
      '# HELP cloudflow_pool_use_percent connections of a pool in use, of those it may have',
      '# TYPE cloudflow_pool_use_percent gauge',
      'cloudflow_pool_use_percent{program="platform",pool="api"} 25',
      '',
    ]);
  });
});
