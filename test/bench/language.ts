import { compileMachine } from '#core/asl/compile.ts';
import { parseDefinition } from '#core/dsl/parse.ts';
import { checkDefinition } from '#core/plan/check.ts';

// Prints medians of validating, planning and compiling definitions of 10 to 500 steps. `node test/bench/language.ts`

const ROUNDS = 41;

/** A mesh that is not series-parallel, with expressions in each step: dearer than what people write. */
function mesh(size: number, offset = 0): object[] {
  return Array.from({ length: size }, (_, i) => {
    const depends_on =
      i < 4 ? [] : [...new Set([(i * 7) % 4, (i * 5) % 4])].map((d) => `s${i - 1 - d}`);
    const [first] = depends_on;
    return {
      id: `s${i}`,
      type: 'http_request',
      depends_on,
      config: {
        url: `https://service.example/${offset}/{% $input.id %}`,
        retry: { max_attempts: 2 },
        body: {
          id: '{% $input.id %}',
          before:
            first === undefined
              ? null
              : `{% $exists($steps.${first}.output.n) ? $steps.${first}.output.n + 1 : 0 %}`,
        },
      },
    };
  });
}

function definition(steps: object[]): object {
  return { workflow_id: 'bench', version: '1.0.0', output: null, steps };
}

function median(work: () => void): string {
  const times = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    work();
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return (times[Math.floor(ROUNDS / 2)] ?? 0).toFixed(1).padStart(8);
}

const cases: [string, object][] = [10, 40, 100].map((size) => [
  `${size} steps`,
  definition(mesh(size)),
]);
cases.push([
  '500 steps',
  definition(
    Array.from({ length: 5 }, (_, i) => ({
      id: `g${i}`,
      type: 'group',
      config: { steps: mesh(99, i) },
    })),
  ),
]);

console.log('median ms      validate   validate and plan    compile   states');
for (const [name, document] of cases) {
  const validate = median(() => parseDefinition(document));
  const plan = median(() => {
    const checked = checkDefinition(document);
    if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  });
  const checked = checkDefinition(document);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  const compile = median(() => void compileMachine(checked.program));
  const { stats } = compileMachine(checked.program);
  console.log(
    `${name.padEnd(14)} ${validate} ${plan.padStart(19)} ${compile.padStart(10)} ${String(stats?.states ?? '-').padStart(8)}`,
  );
}
