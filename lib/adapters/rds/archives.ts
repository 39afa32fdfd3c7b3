import {
  DescribeExportTasksCommand,
  type RDSClient,
  StartExportTaskCommand,
} from '@aws-sdk/client-rds';
import type { Archives } from '#ports/recovery.ts';
import { asked, isNamed, unless } from '../aws/failure.ts';

/** RDS names these faults one way in its documents and another on the wire. */
const THERE = ['ExportTaskAlreadyExistsFault', 'ExportTaskAlreadyExists'];
const ABSENT = ['ExportTaskNotFoundFault', 'ExportTaskNotFound'];

/** Backups of Aurora as Parquet files in S3, written by export tasks of RDS. */
export function createArchives(client: RDSClient): Archives {
  return {
    async begin({ id, of, bucket, prefix, role, key }) {
      await unless('an export', THERE, () =>
        client.send(
          new StartExportTaskCommand({
            ExportTaskIdentifier: id,
            SourceArn: of,
            S3BucketName: bucket,
            S3Prefix: prefix,
            IamRoleArn: role,
            KmsKeyId: key,
          }),
        ),
      );
    },
    async find(id) {
      try {
        const { ExportTasks = [] } = await client.send(
          new DescribeExportTasksCommand({ ExportTaskIdentifier: id }),
        );
        const [task] = ExportTasks;
        if (task === undefined) return null;
        return {
          status: task.Status ?? 'unknown',
          percent: task.PercentProgress ?? 0,
          gigabytes: task.TotalExtractedDataInGB ?? null,
          cause: task.FailureCause ?? null,
        };
      } catch (error) {
        if (isNamed(error, ...ABSENT)) return null;
        return asked('an export', () => Promise.reject(error));
      }
    },
  };
}
