import { describe, expect, it } from 'vitest';
import type { Json } from '#core/json.ts';
import { createTimeline } from '../../../bin/output/timeline.ts';
import { HOSTILE, RAW } from './hostile.ts';
import { plainTerminal } from './plain-terminal.ts';

const START = Date.parse('2026-11-22T12:00:00.000Z');

/** Draws events given as [milliseconds, type, step, data]. */
function draw(
  width: number,
  ...events: readonly (readonly [number, string, string | null, Json])[]
): string {
  const timeline = createTimeline(plainTerminal(width));
  return events
    .map(([ms, type, step, data], i) =>
      timeline.draw({ seq: i + 1, at: new Date(START + ms).toISOString(), type, step, data }),
    )
    .join('');
}

describe('a timeline', () => {
  it('says what happened, when, and how long steps took', () => {
    expect(
      draw(
        80,
        [0, 'execution_created', null, { runtime: 'engine' }],
        [5, 'execution_started', null, {}],
        [10, 'step_started', 'pay', {}],
        [11, 'attempt_started', 'pay', { attempt: 1 }],
        [
          400,
          'step_retry_scheduled',
          'pay',
          {
            attempt: 1,
            error: { code: 'CloudFlow.Timeout', message: 'no answer' },
            due_at: START + 2_400,
          },
        ],
        [2_400, 'attempt_started', 'pay', { attempt: 2 }],
        [2_900, 'step_succeeded', 'pay', { output: 1, attempts: 2 }],
        [2_900, 'step_skipped', 'refund', { reason: 'CONDITION_FALSE', class: 'K' }],
        [2_901, 'expression_evaluated', 'pay', {}],
        [3_000, 'cancel_requested', null, { by: 'key:1', reason: 'late', compensate: false }],
        [75_000, 'execution_cancelled', null, { compensation: 'NONE' }],
      ),
    ).toBe(`     +0ms  + accepted, to run on engine
    +10ms  ▶ pay
   +400ms  ↻ pay  attempt 1 failed, again in 2.0 s: CloudFlow.Timeout: no answer
    +2.4s  ▶ pay  attempt 2
    +2.9s  ✓ pay  2.9 s
    +2.9s  ○ refund  skipped: its condition is false
    +3.0s  ■ cancel asked for by key:1: late
   +1m15s  ■ CANCELLED
`);
  });

  it('wraps below itself on a narrow terminal, and loses no word', () => {
    const message = 'the service said that it had no more room for another customer of this kind';
    const text = draw(44, [0, 'step_failed', 'store', { error: { code: 'Full', message } }]);
    const lines = text.trimEnd().split('\n');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(44);
    for (const line of lines.slice(1)) expect(line).toMatch(/^ {13}\S/);
    expect(text.replace(/\s+/g, ' ')).toContain(message);
  });

  it('passes over what a newer platform tells, and over data of another shape', () => {
    expect(draw(80, [0, 'moon_rose', null, {}])).toBe('');
    expect(draw(80, [0, 'constructor', null, {}])).toBe('');
    expect(draw(80, [0, 'step_failed', 'a', null])).toBe('     +0ms  ✗ a\n');
  });

  it.each(Object.values(HOSTILE))('is not moved by %j in an event', (text) => {
    const error = { code: text, message: text };
    const data = { error, reason: text, by: text, attempt: text, index: text, runtime: text };
    const types = ['step_failed', 'execution_failed', 'cancel_requested', 'step_skipped'];
    for (const type of [...types, 'iteration_started', 'execution_created', 'execution_paused']) {
      expect(draw(60, [0, type, text, { ...data, execution_id: text }])).not.toMatch(RAW);
    }
    expect(createTimeline(plainTerminal(60)).note(text)).not.toMatch(RAW);
  });
});
