import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readStageSettings } from '#config/stage-settings.ts';
import { limitsOf, neededFor } from '#core/cost/capacity.ts';
import { capacityOf, capacityTables } from '#stacks/costs/capacity-page.ts';

const PAGE = new URL('../../docs/capacity.md', import.meta.url);
const WRITTEN = '<!-- written by';
const prod = readStageSettings({ stage: 'prod', account: undefined }, {});
const DAY_SECONDS = 86_400;

describe('the model of capacity', () => {
  it('is what docs/capacity.md says of prod', () => {
    const page = readFileSync(PAGE, 'utf8');
    const [head = ''] = page.split(WRITTEN);
    const note = page.slice(head.length).split('\n')[0] ?? '';
    const whole = `${head}${note}\n\n${capacityTables(prod)}`;
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, whole);
    else expect(page).toBe(whole);
  });

  it('says the same both ways: a volume at a limit needs just what the stage has', () => {
    const has = capacityOf(prod);
    const { fleet, writerCores } = has;
    const limits = limitsOf(has);
    const at = (part: string): number =>
      limits.find((limit) => limit.part.includes(part))?.perSecond ?? Number.NaN;
    const need = (perSecond: number) => neededFor(perSecond * DAY_SECONDS, 1, prod.engine);
    expect(need(at('tasks') * 0.999).tasks).toBe(fleet.maxTasks);
    expect(need(at('tasks') * 1.05).tasks).toBeGreaterThan(fleet.maxTasks);
    expect(need(at('writer') * 0.999).writerCores).toBe(writerCores);
    expect(need(at('writer') * 1.2).writerCores).toBeGreaterThan(writerCores);
    expect(need(at('brokers') * 0.999).brokers).toBe(has.brokers);
    expect(need(at('brokers') * 1.01).brokers).toBeGreaterThan(has.brokers);
  });

  it('tells limits in the order in which they are reached', () => {
    const seconds = limitsOf(capacityOf(prod)).map(({ perSecond }) => perSecond);
    expect(seconds).toEqual(seconds.toSorted((a, b) => a - b));
    for (const each of seconds) expect(each).toBeGreaterThan(0);
  });

  it('takes what prod is made for', () => {
    const { peakPerSecond } = neededFor(4_000_000, 10, prod.engine);
    expect(limitsOf(capacityOf(prod))[0]?.perSecond).toBeGreaterThan(peakPerSecond);
  });

  it('a database without a size of its own is refused', () => {
    const dev = readStageSettings({ stage: 'dev', account: undefined }, {});
    expect(() => capacityOf(dev)).toThrow('its database has no size of its own');
  });
});
