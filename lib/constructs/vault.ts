import { BackupVault } from 'aws-cdk-lib/aws-backup';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { Duration, RemovalPolicy } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { BACKUPS, databaseNames } from '#config/recovery.ts';
import type { StageSettings } from '#config/stage-settings.ts';

/** Long enough to see that the lock is wanted; afterwards nobody undoes it, the account's owner included. */
const CHANGEABLE = Duration.days(3);

/**
 * Where backups are kept, by a name that the other region knows. Where the stage retains, a backup can
 * be deleted by nobody before its time.
 */
export function makeVault(scope: Construct, settings: StageSettings, key: IKey): BackupVault {
  const { stage, retain } = settings;
  return new BackupVault(scope, 'Vault', {
    backupVaultName: databaseNames(stage).vault,
    encryptionKey: key,
    removalPolicy: retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    ...(retain
      ? {
          lockConfiguration: {
            minRetention: Duration.days(BACKUPS.daily.keptDays),
            maxRetention: Duration.days(BACKUPS.monthly.keptDays),
            changeableFor: CHANGEABLE,
          },
        }
      : {}),
  });
}
