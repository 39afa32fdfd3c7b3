/** Templates: finding expressions in JSON, and putting their values back in. */
import { isJsonObject, type Json } from '#core/json.ts';
import type { Template, TemplateExpression } from './machine.ts';

/** The source of an expression string, without the marks; null for a constant. */
export function expressionSource(text: string): string | null {
  return isExpressionString(text) ? text.slice(2, -2) : null;
}

function isExpressionString(text: string): boolean {
  return text.length >= 4 && text.startsWith('{%') && text.endsWith('%}');
}

/** `location` is the field's name as AWS writes it in events. */
export function compileTemplate(json: Json, location: string): Template {
  const expressions: TemplateExpression[] = [];
  collect(json, [], location, expressions);
  return { json, expressions };
}

function collect(
  json: Json,
  path: readonly (string | number)[],
  location: string,
  into: TemplateExpression[],
): void {
  if (typeof json === 'string') {
    const source = expressionSource(json);
    if (source !== null) into.push({ path, location, source: source.trim() });
  } else if (Array.isArray(json)) {
    json.forEach((item, index) => {
      collect(item, [...path, index], `${location}[${index}]`, into);
    });
  } else if (isJsonObject(json)) {
    for (const [key, value] of Object.entries(json)) {
      collect(value, [...path, key], `${location}/${key}`, into);
    }
  }
}

/** The template with its expressions replaced by `values`, which are in the same order. */
export function fillTemplate(template: Template, values: readonly Json[]): Json {
  let at = 0;
  const fill = (json: Json): Json => {
    if (typeof json === 'string') {
      // Order of `values` is order of `collect`, which walks as this does.
      return isExpressionString(json) ? (values[at++] as Json) : json;
    }
    if (Array.isArray(json)) return json.map(fill);
    if (isJsonObject(json)) {
      return Object.fromEntries(Object.entries(json).map(([key, value]) => [key, fill(value)]));
    }
    return json;
  };
  return template.expressions.length === 0 ? template.json : fill(template.json);
}
