import { createExpressions } from '#evaluator/expressions.ts';
import { createNodeHost } from '#evaluator/host.ts';
import type { ProcessMessage, WorkMessage } from '#evaluator/protocol.ts';
import { createFrameReader, encodeFrame, MAX_INPUT_BYTES } from '#evaluator/protocol.ts';

// The evaluator process: reads work from its standard input, evaluates one expression after the
// other, answers each on its standard output. It may be killed at any instant; nothing it holds
// matters. It ends when its input does.

/** Business time travels with the work: this process has none of its own. */
let now: number | null = null;
const expressions = createExpressions({ host: createNodeHost(() => now), deadline: cpuDeadline });

/** Processor time, not wall time: what a tenant's expression costs does not depend on the others. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/**
 * Asks for the processor time, a system call, only when it can have run out: the threads beside the
 * main one (compiler, garbage collector) rarely double it.
 */
function cpuDeadline(ms: number): () => boolean {
  const start = cpuMs();
  let nextLook = performance.now() + ms / 2;
  return () => {
    const at = performance.now();
    if (at < nextLook) return false;
    const left = ms - (cpuMs() - start);
    nextLook = at + left / 2;
    return left <= 0;
  };
}

function send(message: ProcessMessage): void {
  process.stdout.write(encodeFrame(JSON.stringify(message)));
}

async function answer(message: WorkMessage, started: number): Promise<void> {
  const { id, from, limitMs, runMs, quick, work } = message;
  now = message.now;
  let usedMs = started;
  /** What was used since this was asked last. */
  const spent = (): number => {
    const before = usedMs;
    usedMs = cpuMs();
    return usedMs - before;
  };
  let left = runMs;
  for (const [offset, source] of work.expressions.slice(from).entries()) {
    const index = from + offset;
    const budget = quick ? Math.min(limitMs, left) : limitMs;
    if (left <= 0) return send({ id, index, unfinished: true, cpuMs: spent(), usedMs });
    const result = await expressions.evaluate(source, work.dialect, work.bindings, budget);
    const took = spent();
    left -= took;
    if (budget < limitMs && !result.ok && result.reason === 'wall_clock') {
      return send({ id, index, unfinished: true, cpuMs: took, usedMs });
    }
    send({ id, index, result, cpuMs: took, usedMs });
  }
}

/** Compiled code makes the first tenant of this process as fast as the second. */
async function warmUp(): Promise<void> {
  const bindings = { input: { items: [{ price: 1, name: 'a' }] } };
  for (let i = 0; i < 30; i++) {
    const source = `($x := ${i}; $map($input.items[price < 3], function($v) { $v.name & $string($x) }))`;
    await expressions.evaluate(source, 'portable', bindings, 1_000);
    // Machines read `$states`, and what they evaluate after a kill is often ours, not the tenant's.
    await expressions.evaluate(source, 'aws', { states: bindings }, 1_000);
  }
}

// The pool decides when its processes end; Ctrl-C in a terminal reaches them too.
process.on('SIGINT', () => undefined);

await warmUp();
let last = Promise.resolve();
// Work is handed out one message at a time; the envelope around the input is small.
const reader = createFrameReader(MAX_INPUT_BYTES + 65_536, (json) => {
  last = last.then(() => {
    const started = cpuMs();
    return answer(JSON.parse(json) as WorkMessage, started);
  });
});
process.stdin.on('data', (chunk: Buffer) => reader.accept(chunk));
process.stdin.on('end', () => process.exit(0));
const startMs = cpuMs();
send({ ready: true, cpuMs: startMs, usedMs: startMs });
