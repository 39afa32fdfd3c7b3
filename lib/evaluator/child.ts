import { createExpressions } from '#evaluator/expressions.ts';
import { createNodeHost } from '#evaluator/host.ts';
import type { ProcessMessage, WorkMessage } from '#evaluator/protocol.ts';
import { createFrameReader, encodeFrame, MAX_INPUT_BYTES } from '#evaluator/protocol.ts';

// The evaluator process: reads work from its standard input, evaluates one expression after the
// other, answers each on its standard output. It may be killed at any instant; nothing it holds
// matters. It ends when its input does.
//
//   node child.ts <milliseconds of processor time per expression>

const timeoutMs = Number(process.argv[2] ?? 200);
/** Business time travels with the work: this process has none of its own. */
let now: number | null = null;
const expressions = createExpressions({
  host: createNodeHost(() => now),
  timeoutMs,
  elapsed: cpuMs,
});

/** Processor time, not wall time: what a tenant's expression costs does not depend on the others. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function send(message: ProcessMessage): void {
  process.stdout.write(encodeFrame(JSON.stringify(message)));
}

async function answer({ id, from, now: at, work }: WorkMessage): Promise<void> {
  now = at;
  for (const [offset, source] of work.expressions.slice(from).entries()) {
    const start = cpuMs();
    const result = await expressions.evaluate(source, work.dialect, work.bindings);
    send({ id, index: from + offset, result, cpuMs: cpuMs() - start });
  }
}

/** Compiled code makes the first tenant of this process as fast as the second. */
async function warmUp(): Promise<void> {
  const bindings = { input: { items: [{ price: 1, name: 'a' }] } };
  for (let i = 0; i < 30; i++) {
    const source = `($x := ${i}; $map($input.items[price < 3], function($v) { $v.name & $string($x) }))`;
    await expressions.evaluate(source, 'portable', bindings);
    // Machines read `$states`, and what they evaluate after a kill is often ours, not the tenant's.
    await expressions.evaluate(source, 'aws', { states: bindings });
  }
}

// The pool decides when its processes end; Ctrl-C in a terminal reaches them too.
process.on('SIGINT', () => undefined);

await warmUp();
let last = Promise.resolve();
// Work is handed out one message at a time; the envelope around the input is small.
const reader = createFrameReader(MAX_INPUT_BYTES + 65_536, (json) => {
  last = last.then(() => answer(JSON.parse(json) as WorkMessage));
});
process.stdin.on('data', (chunk: Buffer) => reader.accept(chunk));
process.stdin.on('end', () => process.exit(0));
send({ ready: true });
