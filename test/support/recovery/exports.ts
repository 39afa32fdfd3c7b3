import type { Clock } from '#ports/clock.ts';
import { type Input, need, Refusal } from './refusal.ts';
import type { Xml } from './xml.ts';

export interface EmulatedExport {
  readonly id: string;
  readonly source: string;
  readonly beganAt: number;
  /** As it was asked for: where to, as whom, sealed with what. */
  readonly input: Input;
}

const TAKES_MS = 2_700_000;
const STARTS_MS = 300_000;

/** Export tasks of RDS: a snapshot becomes files, in hours as a rule and here in three quarters of one. */
export function createExports(
  clock: Clock,
  { snapshots, spoiled }: { readonly snapshots: Set<string>; readonly spoiled: Set<string> },
) {
  const tasks = new Map<string, EmulatedExport>();

  function describe({ id, source, beganAt }: EmulatedExport): Xml {
    const since = clock.now() - beganAt;
    const bad = spoiled.has(source) && since >= STARTS_MS;
    const complete = since >= TAKES_MS;
    return {
      ExportTaskIdentifier: id,
      SourceArn: source,
      Status: bad
        ? 'FAILED'
        : complete
          ? 'COMPLETE'
          : since < STARTS_MS
            ? 'STARTING'
            : 'IN_PROGRESS',
      PercentProgress: Math.min(100, Math.floor((100 * since) / TAKES_MS)),
      TotalExtractedDataInGB: complete ? 42 : undefined,
      FailureCause: bad ? 'the table secret_customers cannot be read' : undefined,
    };
  }

  const operations: Readonly<Record<string, (input: Input) => Xml>> = {
    StartExportTask(input) {
      const id = need(input, 'ExportTaskIdentifier');
      const source = need(input, 'SourceArn');
      for (const name of ['S3BucketName', 'IamRoleArn', 'KmsKeyId']) need(input, name);
      if (!/^[A-Za-z][A-Za-z0-9-]{0,59}$/.test(id)) {
        throw new Refusal('InvalidParameterValue', 'the name of an export has 60 letters at most');
      }
      if (tasks.has(id)) throw new Refusal('ExportTaskAlreadyExists', `${id} exists`);
      if (!snapshots.has(source)) {
        throw new Refusal('DBClusterSnapshotNotFoundFault', `no snapshot ${source}`);
      }
      const task = { id, source, beganAt: clock.now(), input };
      tasks.set(id, task);
      return describe(task);
    },
    DescribeExportTasks(input) {
      const task = tasks.get(need(input, 'ExportTaskIdentifier'));
      return { ExportTasks: ['ExportTask', task === undefined ? [] : [describe(task)]] };
    },
  };
  return { tasks, operations };
}
