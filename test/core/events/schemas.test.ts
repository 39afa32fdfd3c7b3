import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseEvent } from '#core/events/parse.ts';
import { EVENT_PAYLOADS, eventSchemas } from '#core/events/schemas.ts';
import recorded from './recorded-1.0.json' with { type: 'json' };

const PUBLISHED = new URL('../../../docs/schemas/events-1.0.json', import.meta.url);

describe('events of version 1.0', () => {
  it('are published as they are', () => {
    const today = JSON.parse(JSON.stringify(eventSchemas()));
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PUBLISHED, JSON.stringify(today));
    else expect(JSON.parse(readFileSync(PUBLISHED, 'utf8'))).toEqual(today);
  });

  it('that were recorded when it was published are read today, of every type', () => {
    for (const event of recorded) {
      expect([event.event_type, parseEvent(JSON.stringify(event)).kind]).toEqual([
        event.event_type,
        'event',
      ]);
    }
    const types = new Set(recorded.map(({ event_type }) => event_type));
    expect([...types].sort()).toEqual(Object.keys(EVENT_PAYLOADS).sort());
  });

  it('may have members that nobody knows yet', () => {
    const [first] = recorded;
    const grown = { ...first, payload: { ...first!.payload, more: 1 }, more: [] };
    expect(parseEvent(JSON.stringify(grown)).kind).toBe('event');
    const next = { ...first, metadata: { ...first!.metadata, schema_version: '1.7' } };
    expect(parseEvent(JSON.stringify(next)).kind).toBe('event');
  });

  it.each([
    ['not JSON', '{', { kind: 'invalid', where: '', problem: 'is not JSON' }],
    ['no object', '[]', { kind: 'invalid', where: '' }],
    [
      'another major version',
      { metadata: { source_service: 's', schema_version: '2.0' } },
      { where: '/metadata/schema_version' },
    ],
    ['no id', { event_id: 'x' }, { where: '/event_id' }],
    ['a time that is none', { timestamp: 'yesterday' }, { where: '/timestamp' }],
    ['another type', { event_type: 'a.b' }, { kind: 'unknown_type', type: 'a.b' }],
    [
      'a payload of another shape',
      { payload: { mode: 'live' } },
      { kind: 'invalid', where: '/payload' },
    ],
  ])('%s is told apart, without a word of what it said', (_, change, expected) => {
    const [first] = recorded;
    const text = typeof change === 'string' ? change : JSON.stringify({ ...first, ...change });
    expect(parseEvent(text)).toMatchObject(expected);
    expect(JSON.stringify(parseEvent(text))).not.toContain('yesterday');
  });
});
