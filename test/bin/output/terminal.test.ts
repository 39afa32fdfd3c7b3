import { PassThrough } from 'node:stream';
import { WriteStream } from 'node:tty';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createTerminal, type Output } from '../../../bin/output/terminal.ts';
import { HOSTILE, RAW } from './hostile.ts';

type Stream = NodeJS.WritableStream & Output & { text(): string };

/** A stream that remembers, which may say that it is a terminal. */
function stream(about: { readonly isTTY?: boolean; readonly columns?: number } = {}): Stream {
  const chunks: string[] = [];
  const made = new PassThrough();
  made.on('data', (chunk) => chunks.push(String(chunk)));
  return Object.assign(made, about, {
    text: () => chunks.join(''),
    // The real one: it reads NO_COLOR, FORCE_COLOR and TERM.
    getColorDepth: WriteStream.prototype.getColorDepth,
  }) as never;
}

beforeEach(() => {
  // Node takes a terminal of a CI machine for one without colours.
  for (const name of ['CI', 'NO_COLOR', 'FORCE_COLOR', 'NODE_DISABLE_COLORS', 'COLUMNS']) {
    vi.stubEnv(name, undefined);
  }
  vi.stubEnv('TERM', 'xterm-256color');
});
afterEach(() => {
  vi.unstubAllEnvs();
});

describe('colours', () => {
  it('are for terminals', () => {
    const [screen, pipe] = [stream({ isTTY: true, columns: 80 }), stream()];
    const terminal = createTerminal({ json: false, stdout: screen, stderr: pipe });
    terminal.out(terminal.style('red', 'no'));
    terminal.err(terminal.style('red', 'no'));
    expect(screen.text()).toBe('\u001b[31mno\u001b[39m');
    expect(pipe.text()).toBe('no');
  });

  it('are gone with NO_COLOR', () => {
    vi.stubEnv('NO_COLOR', '1');
    const screen = stream({ isTTY: true, columns: 80 });
    const terminal = createTerminal({ json: false, stdout: screen, stderr: stream() });
    terminal.out(terminal.style('bold', 'plain'));
    expect(screen.text()).toBe('plain');
  });
});

describe('width', () => {
  const width = (stdout: Stream, columns?: string) =>
    createTerminal({ json: false, stdout, stderr: stream(), columns }).width;

  it("is the terminal's", () => expect(width(stream({ isTTY: true, columns: 97 }))).toBe(97));
  it('is without end in a pipe, so that nothing is cut', () =>
    expect(width(stream())).toBe(Number.POSITIVE_INFINITY));
  it('is what COLUMNS says', () => expect(width(stream(), '52')).toBe(52));
  it('is at least 40', () => expect(width(stream(), '7')).toBe(40));
  it("is the terminal's where COLUMNS says nothing of use", () =>
    expect(width(stream({ isTTY: true, columns: 66 }), 'wide')).toBe(66));
});

it.each(Object.entries(HOSTILE))('text that %s never arrives raw', (_, text) => {
  for (const json of [false, true]) {
    const [out, err] = [stream({ isTTY: true, columns: 80 }), stream({ isTTY: true })];
    const terminal = createTerminal({ json, stdout: out, stderr: err });
    terminal.out(`${text}\n`);
    terminal.document({ [text]: text });
    terminal.err(text);
    expect(out.text()).not.toMatch(RAW);
    expect(err.text()).not.toMatch(RAW);
  }
});

it('writes a document on one line', () => {
  const out = stream();
  createTerminal({ json: true, stdout: out, stderr: stream() }).document({ a: ['x\ny'] });
  expect(out.text()).toBe('{"a":["x\\ny"]}\n');
});
