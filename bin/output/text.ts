/**
 * Text for people and documents for programs: pure, without a terminal. Everything that a stranger
 * wrote (outputs, error messages, names, keys) is hostile here: it may hold escape sequences that
 * move the cursor, hide lines or turn them around.
 */

/**
 * C0 and C1 controls, DEL, the marks that turn or hide text (bidirectional controls, tags), the two
 * Unicode line breaks and the byte order mark. Joiners stay: they are part of ordinary words.
 */
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

const SHORT: { readonly [character: string]: string } = { '\n': '⏎', '\t': '\\t', '\r': '\\r' };

/** One line of a stranger's text: what would move the cursor is shown instead of obeyed. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (found) => SHORT[found] ?? escaped(found));
}

/** As `printable`, but each unsafe character stays one column wide: for marks below a line. */
export function printableInPlace(text: string): string {
  return text.replace(UNSAFE, (found) => (found === '\t' ? ' ' : '·'.repeat(found.length)));
}

/**
 * JSON that is safe to show: the same document, with unsafe characters written as escapes (inside
 * strings, which is the only place where they can be left after `JSON.stringify`).
 */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(UNSAFE, (found) =>
    found === '\n' ? found : escaped(found),
  );
}

/** What may pass to a terminal as it is: line ends, and the colours of `Terminal.style`. */
export function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape of our own colours
  const parts = text.split(/(\u001b\[\d{1,2}m|\n)/);
  return parts.map((part, i) => (i % 2 === 1 ? part : printable(part))).join('');
}

function escaped(text: string): string {
  return [...Array(text.length).keys()]
    .map((i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`)
    .join('');
}

/** Cuts a line to the width, with an ellipsis; counts code points. */
export function cutTo(text: string, width: number): string {
  const points = [...text];
  return points.length <= width ? text : `${points.slice(0, Math.max(0, width - 1)).join('')}…`;
}

/** Lines no longer than `width`, broken between words; a word that is longer is broken inside. */
export function wrap(text: string, width: number): string[] {
  const room = Math.max(8, width);
  const lines: string[] = [];
  let line: string[] = [];
  for (const word of text.split(/(?<= )(?! )/)) {
    const points = [...word];
    if (line.length > 0 && line.length + word.trimEnd().length > room) {
      lines.push(line.join('').trimEnd());
      line = [];
    }
    while (points.length > room) lines.push(points.splice(0, room).join(''));
    line = [...line, ...points];
  }
  if (line.length > 0 || lines.length === 0) lines.push(line.join('').trimEnd());
  return lines;
}

/** `1.4 s`, `3 min 20 s`, `12 ms`: a length of time for people. */
export function duration(milliseconds: number): string {
  const { days, hours, minutes, seconds } = parts(milliseconds);
  if (milliseconds < 999.5) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 59_950) return `${(milliseconds / 1_000).toFixed(1)} s`;
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return `${minutes} min ${seconds} s`;
}

/** `+1.4s`, `+3m20s`: the same in at most eight columns, for the edge of a timeline. */
export function elapsed(milliseconds: number): string {
  const { days, hours, minutes, seconds } = parts(milliseconds);
  if (milliseconds < 999.5) return `+${Math.round(milliseconds)}ms`;
  if (milliseconds < 59_950) return `+${(milliseconds / 1_000).toFixed(1)}s`;
  if (days > 0) return `+${days}d${hours}h`;
  if (hours > 0) return `+${hours}h${minutes}m`;
  return `+${minutes}m${seconds}s`;
}

function parts(milliseconds: number): {
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
} {
  const all = Math.round(milliseconds / 1_000);
  // From an hour on the seconds are not shown, so they round up into the minutes.
  const minutes = all < 3_600 ? Math.floor(all / 60) : Math.round(all / 60);
  return {
    days: Math.floor(minutes / 1_440),
    hours: Math.floor((minutes % 1_440) / 60),
    minutes: minutes % 60,
    seconds: all % 60,
  };
}

/** `1 warning`, `2 warnings`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** `2026-11-22 12:37:48`: an instant of the platform, in UTC, as people read it. */
export function instant(iso: string): string {
  return iso.replace('T', ' ').replace(/\.\d+Z$|Z$/, '');
}
