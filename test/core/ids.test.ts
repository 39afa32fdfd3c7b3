import { describe, expect, it } from 'vitest';
import { derivedId, derivedIdAt, lowestIdAt, timeOfId } from '#core/ids.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const PARENT = '019ab2f3-1c6b-7123-8abc-0123456789ab';
const NOW = timeOfId(PARENT);

describe('derived ids', () => {
  it('are the same for the same parent and name, with the time of the parent', () => {
    const child = derivedId(PARENT, 'step[3]');
    expect(derivedId(PARENT, 'step[3]')).toBe(child);
    expect(derivedId(PARENT, 'step[4]')).not.toBe(child);
    expect(child).toMatch(UUID_V7);
    expect(timeOfId(child)).toBe(NOW);
    expect(timeOfId(derivedIdAt(NOW + 5, 'fire'))).toBe(NOW + 5);
  });

  it('never change: children that a crash left behind are found by them', () => {
    expect(derivedId(PARENT, 'step[3]')).toBe('019ab2f3-1c6b-72be-9342-34ad22219bf4');
  });

  it('come from ids and times alone', () => {
    expect(() => derivedId('not an id', 'step')).toThrow(TypeError);
    expect(() => derivedIdAt(-1, 'step')).toThrow(TypeError);
    expect(lowestIdAt(NOW) <= derivedId(PARENT, 'x')).toBe(true);
  });
});
