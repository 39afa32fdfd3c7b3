import type { Terminal } from '../../../bin/output/terminal.ts';
import { jsonText } from '../../../bin/output/text.ts';

/** A terminal of a given width without colours, for functions that only ask for these two. */
export function plainTerminal(width: number): Terminal & { text(): string } {
  let text = '';
  const write = (more: string) => {
    text += more;
  };
  return {
    json: false,
    width,
    out: write,
    err: write,
    document: (value) => write(`${jsonText(value)}\n`),
    style: (_, styled) => styled,
    text: () => text,
  };
}
