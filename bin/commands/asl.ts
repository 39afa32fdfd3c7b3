import { createIds } from '#adapters/local/ids.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { runMachineFile } from '#local/asl/run-machine.ts';
import { CliError } from '../cli-error.ts';
import { parseSource, readInput, readSource } from '../input.ts';
import { formatProblem } from '../output/problems.ts';
import type { Terminal } from '../output/terminal.ts';

/** `cloudflow asl run`: true when the machine succeeded. The output is GetExecutionHistory's. */
export async function runMachine(
  terminal: Terminal,
  path: string,
  options: { readonly input?: string; readonly tasks?: string },
): Promise<boolean> {
  const file = readSource(path);
  // The file is the user's own and runs in the user's own process: no evaluator process is needed.
  const evaluator = createInProcessEvaluator();
  const result = await runMachineFile({
    machine: parseSource(file),
    input: readInput(options.input),
    ...(options.tasks === undefined ? {} : { tasks: parseSource(readSource(options.tasks)) }),
    evaluator,
    ids: createIds(),
  });
  await evaluator.close();
  if (!result.ok) {
    for (const problem of result.problems) {
      terminal.err(formatProblem(terminal, file, problem, 'error'));
    }
    throw new CliError('failed', `${file.name} is no machine that can be run here`);
  }
  terminal.out(`${JSON.stringify(result.history, null, terminal.json ? undefined : 2)}\n`);
  return result.execution.status === 'SUCCEEDED';
}
