import { cleanText, parseForeignJson } from '#core/foreign-json.ts';
import type { Json } from '#core/json.ts';
import { stepFailure } from './failure.ts';

/** The text of a body in the character set that it names, UTF-8 where it names none. */
export function bodyText(body: Uint8Array, contentType: string): string {
  const charset =
    /;\s*charset\s*=\s*"?([A-Za-z0-9._:-]{1,40})"?/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset, { fatal: true }).decode(body);
  } catch {
    throw stepFailure('InvalidResponse', `the body is not text in ${charset.toLowerCase()}`);
  }
}

/** JSON where the type says so, else the text as it is. */
export function bodyValue(text: string, contentType: string): Json {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json' && type !== 'text/json' && !type.endsWith('+json')) {
    return cleanText(text);
  }
  const parsed = parseForeignJson(text);
  if (!parsed.ok) throw stepFailure('InvalidResponse', `the JSON body ${parsed.message}`);
  return parsed.value;
}
