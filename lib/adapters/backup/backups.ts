import {
  type BackupClient,
  ListRecoveryPointsByBackupVaultCommand,
  type RecoveryPointByBackupVault,
} from '@aws-sdk/client-backup';
import type { Backups } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

const PAGE = 1_000;
/** A vault keeps one a day for a month and one a month for three. */
const MOST_PAGES = 10;

/** Recovery points of Aurora clusters in a vault of AWS Backup. Each is a snapshot that RDS restores. */
export function createBackups(client: BackupClient): Backups {
  return {
    async latest(vault) {
      let latest: { readonly id: string; readonly at: number } | null = null;
      let next: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const { RecoveryPoints = [], NextToken } = await asked('recovery points', () =>
          client.send(
            new ListRecoveryPointsByBackupVaultCommand({
              BackupVaultName: vault,
              ByResourceType: 'Aurora',
              MaxResults: PAGE,
              ...(next === undefined ? {} : { NextToken: next }),
            }),
          ),
        );
        for (const point of RecoveryPoints.filter(isComplete)) {
          const at = point.CreationDate?.getTime() ?? 0;
          if (at > (latest?.at ?? -1)) latest = { id: point.RecoveryPointArn ?? '', at };
        }
        if (NextToken === undefined) break;
        next = NextToken;
      }
      return latest;
    },
  };
}

function isComplete({ Status, RecoveryPointArn }: RecoveryPointByBackupVault): boolean {
  return Status === 'COMPLETED' && RecoveryPointArn?.includes(':cluster-snapshot:') === true;
}
