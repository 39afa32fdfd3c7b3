/**
 * Where a piece of work stands in a trace: which trace, under which segment of it, and whether anybody
 * records it. Traces come and go as X-Ray writes them (`X-Amzn-Trace-Id`) and as W3C does (`traceparent`);
 * both say the same, and neither says anything of people or of what they send.
 */
export interface Trace {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** 16 hexadecimal digits; null: nobody before us. */
  readonly parent: string | null;
  readonly sampled: boolean;
}

/** Longer than any that is one. */
const MAX_LENGTH = 256;
const ROOT = /^1-([0-9a-f]{8})-([0-9a-f]{24})$/;
const PARENT = /^[0-9a-f]{16}$/;
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;
const ZEROS = /^0+$/;

/**
 * What the headers of a request say; null: nothing that could be read. X-Ray's own comes first, since
 * whoever stands before us on AWS writes it.
 */
export function traceOfHeaders(headers: {
  readonly [name: string]: string | undefined;
}): Trace | null {
  return parseTrace(headers['x-amzn-trace-id']) ?? parseTraceparent(headers['traceparent']);
}

/** Of `Root=1-...;Parent=...;Sampled=1`, in any order; null when it has no root. */
export function parseTrace(text: string | null | undefined): Trace | null {
  if (text === null || text === undefined || text.length > MAX_LENGTH) return null;
  const parts = new Map(
    text.split(';').map((part): [string, string] => {
      const at = part.indexOf('=');
      return [part.slice(0, at).trim().toLowerCase(), part.slice(at + 1).trim()];
    }),
  );
  const [, time, rest] = ROOT.exec(parts.get('root') ?? '') ?? [];
  if (time === undefined || rest === undefined) return null;
  const parent = parts.get('parent') ?? '';
  return {
    id: `${time}${rest}`,
    parent: PARENT.test(parent) && !ZEROS.test(parent) ? parent : null,
    sampled: parts.get('sampled') === '1',
  };
}

function parseTraceparent(text: string | undefined): Trace | null {
  if (text === undefined || text.length > MAX_LENGTH) return null;
  const [, id = '', parent = '', flags = ''] = TRACEPARENT.exec(text) ?? [];
  if (id === '' || ZEROS.test(id) || ZEROS.test(parent)) return null;
  return { id, parent, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** As X-Ray writes it, which is also how an execution keeps it. */
export function traceText({ id, parent, sampled }: Trace): string {
  const within = parent === null ? '' : `;Parent=${parent}`;
  return `Root=${rootOf(id)}${within};Sampled=${sampled ? 1 : 0}`;
}

/** The name of a trace at X-Ray. */
export function rootOf(id: string): string {
  return `1-${id.slice(0, 8)}-${id.slice(8)}`;
}

/** What is sent along with a call, for whoever answers it to go on; nothing where there is no trace. */
export function traceHeaders(trace: Trace | null | undefined): { readonly [name: string]: string } {
  if (trace === null || trace === undefined) return {};
  const { id, parent, sampled } = trace;
  return {
    'x-amzn-trace-id': traceText(trace),
    ...(parent === null ? {} : { traceparent: `00-${id}-${parent}-${sampled ? '01' : '00'}` }),
  };
}
