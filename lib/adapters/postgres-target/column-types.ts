import pg from 'pg';
import { parseForeignJson } from '#core/foreign-json.ts';
import type { Json } from '#core/json.ts';

/** A column holds what no result can carry. */
export class UnfitColumn extends Error {}

type Parser = (text: string) => Json;

/**
 * How column types become JSON, the same for every value of a type: numbers where a double holds each
 * of them, text where it may not (numeric, and int8 outside the safe range), RFC 3339 for times.
 * Anything else is the text that PostgreSQL writes.
 */
const PARSERS: { readonly [oid: number]: Parser } = {
  16: (text) => text === 't', // bool
  20: safeInteger, // int8
  21: Number, // int2
  23: Number, // int4
  26: Number, // oid
  700: double, // float4
  701: double, // float8
  114: document, // json
  3802: document, // jsonb
  1114: (text) => text.replace(' ', 'T'), // timestamp
  1184: instant, // timestamptz
};

/** Element type by array type: what a one-dimensional array becomes a list of. */
const ARRAYS: { readonly [oid: number]: number } = {
  1000: 16,
  1005: 21,
  1007: 23,
  1009: 25, // text
  1014: 1042, // char
  1015: 1043, // varchar
  1016: 20,
  1021: 700,
  1022: 701,
  1115: 1114,
  1182: 1082, // date
  1185: 1184,
  1231: 1700, // numeric
  2951: 2950, // uuid
  199: 114,
  3807: 3802,
};

/** For pg's `types`: results travel as text always. */
export const columnTypes: pg.CustomTypesConfig = {
  getTypeParser(oid: number) {
    const element = ARRAYS[oid];
    if (element === undefined) return PARSERS[oid] ?? ((text: string) => text);
    const parse = PARSERS[element] ?? ((text: string) => text);
    return (text: string) => nested(readArray(text), parse);
  },
};

/** pg's own reader of array texts: quotes, escapes and NULL. */
const readArray = pg.types.getTypeParser(1009 as never) as (text: string) => unknown;

function nested(value: unknown, parse: Parser): Json {
  if (Array.isArray(value)) return value.map((item) => nested(item, parse));
  return value === null ? null : parse(String(value));
}

function safeInteger(text: string): Json {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : text;
}

function double(text: string): Json {
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

function document(text: string): Json {
  const parsed = parseForeignJson(text);
  if (!parsed.ok) throw new UnfitColumn(`a json column ${parsed.message}`);
  return parsed.value;
}

/** `2026-01-31 12:00:00.5+00` and `+05:30` to RFC 3339; `infinity` and years before 0001 stay. */
function instant(text: string): Json {
  const match = /^(\d{4,}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}(?:\.\d+)?)([+-]\d{2})(:\d{2})?$/.exec(
    text,
  );
  if (match === null) return text;
  const [, date, time, hours, minutes = ':00'] = match;
  return `${date}T${time}${hours === '+00' && minutes === ':00' ? 'Z' : `${hours}${minutes}`}`;
}
