import { describe, expect, it } from 'vitest';
import { judge, readTimeline, type Timeline } from '#services/operations/drill.ts';

const QUARTERLY: Timeline = {
  scenario: 'region',
  title: 'Full region failover',
  failed_at: '2025-12-15T02:00:00Z',
  detected_at: '2025-12-15T02:01:30Z',
  recovered_at: '2025-12-15T04:23:00Z',
  last_kept_at: '2025-12-15T01:18:00Z',
  issues: [{ what: 'names took longer than expected', resolved: true }],
};

describe('the report of a drill', () => {
  it('says what was lost and how long it took, and that both were allowed', () => {
    expect(judge(QUARTERLY)).toEqual({
      scenario: 'region',
      title: 'Full region failover',
      detection_seconds: 90,
      recovery_time_seconds: 2 * 3_600 + 23 * 60,
      recovery_point_seconds: 42 * 60,
      verdicts: [
        { what: 'recovery point', seconds: 2_520, allowed_seconds: 3_600, met: true },
        { what: 'recovery time', seconds: 8_580, allowed_seconds: 14_400, met: true },
        { what: 'time of the scenario', seconds: 8_580, allowed_seconds: 14_400, met: true },
        { what: 'detection', seconds: 90, allowed_seconds: 120, met: true },
      ],
      met: true,
      open_issues: 0,
    });
  });

  it.each<[string, Partial<Timeline>, string]>([
    ['an hour and a second of data', { last_kept_at: '2025-12-15T00:59:59Z' }, 'recovery point'],
    ['four hours and a second', { recovered_at: '2025-12-15T06:00:01Z' }, 'recovery time'],
    ['two minutes and a second unnoticed', { detected_at: '2025-12-15T02:02:01Z' }, 'detection'],
    [
      'six minutes without a zone',
      {
        scenario: 'zone',
        detected_at: '2025-12-15T02:00:20Z',
        recovered_at: '2025-12-15T02:06:00Z',
      },
      'time of the scenario',
    ],
  ])('%s: an objective was missed', (_, change, missed) => {
    const report = judge({ ...QUARTERLY, ...change });
    expect(report.met).toBe(false);
    expect(report.verdicts.filter(({ met }) => !met).map(({ what }) => what)).toContain(missed);
  });

  it('at the very limit, it was met; what is kept beyond the failure is nothing lost', () => {
    const limit = { last_kept_at: '2025-12-15T01:00:00Z', recovered_at: '2025-12-15T06:00:00Z' };
    expect(judge({ ...QUARTERLY, ...limit }).met).toBe(true);
    const later = judge({ ...QUARTERLY, last_kept_at: '2025-12-15T02:30:00Z' });
    expect(later.recovery_point_seconds).toBe(0);
    const { last_kept_at: _, ...nothingLost } = QUARTERLY;
    expect(judge(nothingLost).recovery_point_seconds).toBe(0);
  });

  it('counts what is still open', () => {
    const issues = [
      { what: 'a', resolved: false },
      { what: 'b', resolved: true },
    ];
    expect(judge({ ...QUARTERLY, issues }).open_issues).toBe(1);
  });
});

describe('a timeline', () => {
  it('is read whole, or every problem is told', () => {
    expect(readTimeline(QUARTERLY)).toEqual({ ok: true, timeline: QUARTERLY });
    const read = readTimeline({
      scenario: 'flood',
      title: '',
      failed_at: 'yesterday',
      recovered_at: '2025-12-15T04:23:00Z',
      extra: 1,
    });
    expect(read.ok ? [] : read.problems.map(({ pointer }) => pointer).sort()).toEqual(
      ['', '/extra', '/failed_at', '/scenario', '/title'].sort(),
    );
  });

  it.each<[string, Partial<Timeline>, string]>([
    ['noticed before it failed', { detected_at: '2025-12-15T01:59:59Z' }, '/detected_at'],
    ['recovered before it was noticed', { recovered_at: '2025-12-15T02:01:00Z' }, '/recovered_at'],
    ['on a day that there is not', { failed_at: '2025-13-45T02:00:00Z' }, '/failed_at'],
  ])('%s cannot be', (_, change, pointer) => {
    const read = readTimeline({ ...QUARTERLY, ...change });
    expect(read.ok ? [] : read.problems.map((problem) => problem.pointer)).toEqual([pointer]);
  });

  it.each([null, 7, 'x', []])('%j is none', (value) => {
    expect(readTimeline(value).ok).toBe(false);
  });
});
