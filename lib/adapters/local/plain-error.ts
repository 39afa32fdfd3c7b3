/** What may be known of an error outside the process that met it. */
export interface PlainError {
  readonly name: string;
  /** SQLSTATE, errno, or a code of ours. */
  readonly code?: string;
  /** What is left of the message: the words around what may be somebody's data. */
  readonly message: string;
  /** Where it was thrown, innermost first. */
  readonly at?: readonly string[];
  /** Of the error behind it. */
  readonly cause?: PlainError;
}

const MAX_MESSAGE = 300;
const MAX_FRAMES = 5;
const MAX_FRAME = 160;

/**
 * An error without data in it. Messages of parsers, drivers and the language itself quote what they
 * were given (`Unexpected token 's', "secret" is not valid JSON`), so:
 *
 *  E1 everything from the first quotation mark to the last is cut, whatever the marks are (pairs cannot
 *     be told from apostrophes), and everything after a colon (`Unknown encoding: secret`);
 *  E2 of the rest only plain words, short numbers, UUIDs and codes in capitals stay;
 *  E3 an error that says so (`ofTenant`) is told by nothing but that;
 *  E4 of the stack only the frames are kept, and never the message that stands above them.
 *
 * Takes whatever was thrown, and never throws.
 */
export function plainError(error: unknown): PlainError {
  try {
    return describe(error, 2);
  } catch {
    // Its own properties throw: there is nothing that could be said of it.
    return { name: 'Error', message: '' };
  }
}

function describe(error: unknown, depth: number): PlainError {
  if (!(error instanceof Error)) return { name: typeof error, message: '' };
  if ('ofTenant' in error) return { name: 'OfTenant', message: '' };
  const code = 'code' in error ? String(error.code) : '';
  const at = depth === 2 ? framesOf(error) : [];
  return {
    name: NAME.test(error.name) ? error.name : 'Error',
    ...(CODE.test(code) ? { code } : {}),
    message: withoutData(error.message),
    ...(at.length === 0 ? {} : { at }),
    ...(depth > 0 && error.cause instanceof Error
      ? { cause: describe(error.cause, depth - 1) }
      : {}),
  };
}

const NAME = /^[A-Za-z][A-Za-z0-9]{0,63}$/;
const CODE = /^[A-Z0-9][A-Z0-9_]{1,63}$/;
const QUOTED = /["'`‘’‚“”„«»].*["'`‘’‚“”„«»]|["'`‘’‚“”„«»].*$/s;
const AFTER_COLON = /:\s.*$/s;
const CUT = '…';

function withoutData(message: string): string {
  const words = String(message)
    .slice(0, 4_000)
    .replace(QUOTED, ` ${CUT} `)
    .replace(AFTER_COLON, `: ${CUT}`)
    .split(/\s+/)
    .filter((word) => word !== '')
    .map((word) => (isPlain(word) ? word : CUT));
  const once = words.filter((word, i) => word !== CUT || words[i - 1] !== CUT);
  return once.join(' ').slice(0, MAX_MESSAGE);
}

const PLAIN =
  /^\(?(?:[A-Za-z][a-z-]{0,23}|[A-Z][A-Z0-9_]{1,40}|\d{1,6}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\)?[.,:;!?]?$/;

function isPlain(word: string): boolean {
  return PLAIN.test(word);
}

const FRAME = /^\s+at (?<frame>.+)$/;

function framesOf({ stack, message }: Error): string[] {
  const text = String(stack ?? '');
  const at = text.indexOf(String(message));
  return (at === -1 ? '' : text.slice(at + String(message).length))
    .split('\n')
    .flatMap((line) => FRAME.exec(line)?.groups?.['frame'] ?? [])
    .slice(0, MAX_FRAMES)
    .map((frame) => frame.slice(0, MAX_FRAME));
}
