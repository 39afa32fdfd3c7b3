import { createIds } from '#adapters/local/ids.ts';
import type { Client } from '#client/client.ts';
import { createInProcessEvaluator } from '#evaluator/in-process.ts';
import { runMachineFile } from '#local/asl/run-machine.ts';
import { CliError } from '../cli-error.ts';
import { parseSource, readInput, readSource } from '../input.ts';
import { placed } from '../output/problems.ts';
import type { Terminal } from '../output/terminal.ts';
import { jsonText } from '../output/text.ts';

/** `cloudflow asl run`: true when the machine succeeded. The output is GetExecutionHistory's. */
export async function runMachine(
  terminal: Terminal,
  path: string,
  options: { readonly input?: string; readonly tasks?: string },
): Promise<boolean> {
  const file = readSource(path);
  const machine = parseSource(file, 'failed');
  const input = readInput(options.input);
  const tasksFile = options.tasks === undefined ? null : readSource(options.tasks);
  const tasks = tasksFile === null ? null : parseSource(tasksFile);
  // The file is the user's own and runs in the user's own process: no evaluator process is needed.
  const evaluator = createInProcessEvaluator();
  try {
    const result = await runMachineFile({
      machine,
      input,
      ...(tasks === null ? {} : { tasks }),
      evaluator,
      ids: createIds(),
    });
    if (!result.ok) {
      const { problems } = result;
      if (tasksFile !== null && problems.some(({ code }) => code === 'TASKS_FILE_INVALID')) {
        throw new CliError('usage', 'USAGE', `${tasksFile.name} holds no results of tasks`, {
          file: tasksFile,
          problems: problems.map((problem) => placed(tasksFile, problem)),
        });
      }
      const message = `${file.name} is no machine that can be run here`;
      throw new CliError('failed', 'MACHINE_INVALID', message, {
        file,
        problems: problems.map((problem) => placed(file, problem)),
      });
    }
    if (terminal.json) terminal.document(result.history);
    else terminal.out(`${jsonText(result.history, 2)}\n`);
    return result.execution.status === 'SUCCEEDED';
  } finally {
    await evaluator.close();
  }
}

/** `cloudflow asl show`: as it is sent to AWS. */
export async function showMachine(
  terminal: Terminal,
  client: Client,
  execution_id: string,
): Promise<void> {
  const { definition } = await client.getStateMachine({ execution_id });
  if (terminal.json) terminal.document(definition);
  else terminal.out(`${jsonText(definition, 2)}\n`);
}
