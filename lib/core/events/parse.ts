import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Json } from '../json.ts';
import {
  EVENT_PAYLOADS,
  EventEnvelopeSchema,
  type EventType,
  type PlatformEvent,
} from './schemas.ts';

export type ParsedEvent =
  | { readonly kind: 'event'; readonly event: PlatformEvent }
  /** An envelope as it must be, of a type that nobody here knows. */
  | { readonly kind: 'unknown_type'; readonly type: string }
  /** `where`: JSON Pointer. Says what is wrong without quoting what was there. */
  | { readonly kind: 'invalid'; readonly where: string; readonly problem: string };

const ajv = new Ajv2020({ allErrors: false, strict: true });
const envelope = ajv.compile(EventEnvelopeSchema);
const payloads = new Map<string, ValidateFunction>(
  Object.entries(EVENT_PAYLOADS).map(([type, schema]) => [type, ajv.compile(schema)]),
);

export function parseEvent(text: string): ParsedEvent {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return { kind: 'invalid', where: '', problem: 'is not JSON' };
  }
  if (!envelope(value)) return invalid(envelope, '');
  const event = value as unknown as PlatformEvent;
  const type: EventType = event.event_type;
  const check = payloads.get(type);
  if (check === undefined) return { kind: 'unknown_type', type };
  if (!check(event.payload)) return invalid(check, '/payload');
  return { kind: 'event', event };
}

function invalid(check: ValidateFunction, under: string): ParsedEvent {
  const [error] = check.errors ?? [];
  return {
    kind: 'invalid',
    where: `${under}${error?.instancePath ?? ''}`,
    problem: error?.message ?? 'is not as its schema says',
  };
}
