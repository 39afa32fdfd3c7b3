/** An execution as DescribeExecution tells it. */
import type { Execution } from './execution.ts';
import type { ExecutionDescription } from './runtime-types.ts';
import type { ChildOutcome } from './work-task.ts';

export function describe(execution: Execution): ExecutionDescription {
  return {
    executionArn: execution.arn,
    stateMachineArn: execution.start?.machineArn ?? '',
    name: execution.start?.name ?? '',
    status: execution.status,
    startDate: Date.parse(execution.startTime),
    stopDate: execution.stopTime === null ? null : Date.parse(execution.stopTime),
    input: execution.input,
    output: execution.output === null ? null : JSON.parse(execution.output),
    error: execution.error,
    cause: execution.cause,
  };
}

export function outcomeOf(description: ExecutionDescription): ChildOutcome {
  const { status, stopDate } = description;
  if (status === 'RUNNING') throw new TypeError('a running execution has no outcome');
  return { ...description, status, stopDate: stopDate ?? description.startDate };
}
