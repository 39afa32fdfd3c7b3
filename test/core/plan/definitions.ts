import { checkDefinition } from '#core/plan/check.ts';

/** A definition of these steps, with the other members given. */
export function workflow(steps: readonly unknown[], rest: object = {}) {
  return { workflow_id: 'sample', version: '1.0.0', ...rest, steps };
}

/** A transform, the quietest of steps: no warning, no call. */
export function value(id: string, depends_on: readonly string[] = [], rest: object = {}) {
  return { id, type: 'transform', depends_on, config: { value: id }, ...rest };
}

export function reads(id: string, depends_on: readonly string[], expression: string) {
  return { id, type: 'transform', depends_on, config: { value: `{% ${expression} %}` } };
}

export function approval(id: string, depends_on: readonly string[] = []) {
  return { id, type: 'approval', depends_on, config: { assignee: 'someone', timeout: '2d' } };
}

export function call(id: string, config: object = {}, rest: object = {}) {
  const retry = { max_attempts: 2 };
  return {
    id,
    type: 'http_request',
    config: { url: 'https://a.example/', retry, ...config },
    ...rest,
  };
}

export function forEach(id: string, steps: readonly unknown[], config: object = {}) {
  return { id, type: 'for_each', config: { items: '{% $input.items %}', ...config, steps } };
}

/** `CODE pointer` of all that is wrong, in the order it is reported. */
export function errorsOf(document: unknown, options = {}): string[] {
  const checked = checkDefinition(document, options);
  return checked.ok ? [] : checked.problems.map(({ code, pointer }) => `${code} ${pointer}`);
}

export function warningsOf(document: unknown): string[] {
  return checkDefinition(document).warnings.map(({ code, pointer }) => `${code} ${pointer}`);
}

/** The program of a definition that must be right. */
export function programOf(document: unknown) {
  const checked = checkDefinition(document);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems, null, 2));
  return checked.program;
}
