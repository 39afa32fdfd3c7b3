import {
  DeleteStateMachineCommand,
  ListExecutionsCommand,
  ListStateMachinesCommand,
  type SFNClient,
  StateMachineDoesNotExist,
} from '@aws-sdk/client-sfn';

export interface Collected {
  readonly seen: number;
  readonly deleted: number;
}

/**
 * Deletes machines under `prefix` that were made before `unusedSince` and whose newest execution, if
 * Step Functions still knows one, began before that and has ended. A start that comes at the same
 * moment makes the machine anew. Sees at most `limit` machines, deletes what it can of them.
 */
export async function collectMachines(deps: {
  readonly client: SFNClient;
  readonly prefix: string;
  readonly unusedSince: number;
  readonly limit: number;
}): Promise<Collected> {
  const { client, unusedSince } = deps;
  let seen = 0;
  let deleted = 0;
  let nextToken: string | undefined;
  do {
    const page = await client.send(
      new ListStateMachinesCommand({ maxResults: 1_000, ...(nextToken && { nextToken }) }),
    );
    for (const { stateMachineArn, name, creationDate } of page.stateMachines ?? []) {
      if (stateMachineArn === undefined || name?.startsWith(`${deps.prefix}-`) !== true) continue;
      if (seen === deps.limit) return { seen, deleted };
      seen += 1;
      if (creationDate === undefined || creationDate.getTime() >= unusedSince) continue;
      if (await isUsed(client, stateMachineArn, unusedSince)) continue;
      await client.send(new DeleteStateMachineCommand({ stateMachineArn }));
      deleted += 1;
    }
    nextToken = page.nextToken;
  } while (nextToken !== undefined);
  return { seen, deleted };
}

async function isUsed(
  client: SFNClient,
  stateMachineArn: string,
  unusedSince: number,
): Promise<boolean> {
  const newest = async (filter: { statusFilter?: 'RUNNING' }) => {
    const { executions } = await client.send(
      new ListExecutionsCommand({ stateMachineArn, maxResults: 1, ...filter }),
    );
    return executions?.[0] ?? null;
  };
  try {
    if ((await newest({ statusFilter: 'RUNNING' })) !== null) return true;
    const last = await newest({});
    return (last?.startDate?.getTime() ?? 0) >= unusedSince;
  } catch (error) {
    if (error instanceof StateMachineDoesNotExist) return true; // somebody else is collecting it
    throw error;
  }
}
