import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ListStateMachinesCommand, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import type { PlatformWorkflowName } from '#config/platform-workflows.ts';
import type { Stage } from '#config/stages.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import type { ApprovalEvent } from '#functions/shared/operations.ts';
import { CliError } from '../cli-error.ts';
import { readInput } from '../input.ts';
import type { Terminal } from '../output/terminal.ts';

/** Where: the credentials are those of the caller's own shell, as for the command line of AWS. */
export interface At {
  readonly stage: Stage;
  readonly region: string;
}

export interface StartOptions extends At {
  readonly input?: string;
  readonly name?: string;
}

export interface ApproveOptions extends At {
  readonly step: string;
  readonly by: string;
  readonly reject?: true;
  readonly comment?: string;
}

/** Machines of an account and region: a list that does not end is a fault. */
const MOST_PAGES = 200;

/** `cloudflow recovery start`: starts a workflow of the platform itself, where it is deployed. */
export async function start(
  terminal: Terminal,
  workflow: PlatformWorkflowName,
  options: StartOptions,
): Promise<true> {
  const input = readInput(options.input);
  const client = new SFNClient({ region: options.region });
  const name = `platform-${options.stage}-${workflow}`;
  const executionArn = await asked('Step Functions', async () => {
    const stateMachineArn = await machineArn(client, name);
    if (stateMachineArn === null) {
      throw new CliError(
        'refused',
        'NOT_FOUND',
        `there is no machine ${name} in ${options.region}; look where it is deployed with --region`,
      );
    }
    const { executionArn: arn = '' } = await client.send(
      new StartExecutionCommand({
        stateMachineArn,
        input: JSON.stringify(input),
        ...(options.name === undefined ? {} : { name: options.name }),
      }),
    );
    return arn;
  });
  const execution = executionArn.split(':').at(-1) ?? '';
  if (terminal.json) terminal.document({ execution, execution_arn: executionArn });
  else terminal.out(`${execution}\n`);
  return true;
}

/** `cloudflow recovery approve`: true when the workflow that waited has heard of it. */
export async function approve(
  terminal: Terminal,
  execution: string,
  { stage, region, step, by, reject, comment }: ApproveOptions,
): Promise<boolean> {
  const event: ApprovalEvent = {
    kind: 'answer',
    execution,
    step,
    decision: reject === true ? 'rejected' : 'approved',
    by,
    comment: comment ?? null,
  };
  const client = new LambdaClient({ region });
  const answer = await asked('Lambda', async () => {
    const { Payload, FunctionError } = await client.send(
      new InvokeCommand({
        // Only where the platform waits is anybody asked.
        FunctionName: `cloudflow-${stage}-takeover`,
        Qualifier: 'live',
        Payload: JSON.stringify(event),
      }),
    );
    const said = JSON.parse(Payload?.transformToString('utf8') ?? 'null') as Json;
    if (FunctionError !== undefined) {
      const message = isJsonObject(said) ? String(said['errorMessage']) : FunctionError;
      throw new CliError('refused', 'CONFLICT', message);
    }
    return said;
  });
  const delivered = isJsonObject(answer) && answer['delivered'] === true;
  if (terminal.json) terminal.document({ execution, decision: event.decision, delivered });
  else
    terminal.out(
      delivered
        ? `${event.decision}\n`
        : 'recorded; the workflow does not wait just now, and hears of it when it asks again\n',
    );
  return delivered;
}

async function machineArn(client: SFNClient, name: string): Promise<string | null> {
  let next: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const { stateMachines = [], nextToken } = await client.send(
      new ListStateMachinesCommand(next === undefined ? {} : { nextToken: next }),
    );
    const found = stateMachines.find((machine) => machine.name === name);
    if (found?.stateMachineArn !== undefined) return found.stateMachineArn;
    if (nextToken === undefined) return null;
    next = nextToken;
  }
  return null;
}

async function asked<T>(what: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { name, message } = error as Error;
    throw new CliError('refused', 'UNAVAILABLE', `${what} did not do it: ${name}: ${message}`);
  }
}
