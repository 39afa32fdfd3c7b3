import {
  BackupPlan,
  BackupPlanRule,
  BackupResource,
  BackupVault,
  type IBackupVault,
} from 'aws-cdk-lib/aws-backup';
import { SubnetType } from 'aws-cdk-lib/aws-ec2';
import { Schedule } from 'aws-cdk-lib/aws-events';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDBClusterParameterGroup, CfnDBSubnetGroup } from 'aws-cdk-lib/aws-rds';
import { CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import { Duration } from 'aws-cdk-lib/core';
import type { Construct } from 'constructs';
import { bucketNameOf } from '#config/buckets.ts';
import { platformClocks, platformMachineArn } from '#config/platform-workflows.ts';
import {
  BACKUPS,
  databaseNames,
  type HomeFacts,
  restoredPrefix,
  vaultArn,
} from '#config/recovery.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { acknowledge } from '#constructs/acknowledge.ts';
import { actionsOf, allow, type CapabilityOf, type Grant, sidOf } from '#constructs/grants.ts';
import { PlatformMachines } from '#constructs/platform-machine.ts';
import { RecoveryStore } from '#constructs/recovery-store.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import { makeVault } from '#constructs/vault.ts';
import { makeArchivist } from './archivist.ts';
import type { DataStack } from './data-stack.ts';
import { DATABASE_PARAMETERS, DATABASE_VERSION } from './database.ts';
import { defaultOptions, groupsOfInstances, MAKE_INSTANCE } from './database-groups.ts';
import type { EventsStack } from './events-stack.ts';
import type { Identity } from './identity.ts';
import { StageStack } from './stage-stack.ts';
import { told } from './waiting.ts';
import { ZoneDrill } from './zone-drill.ts';

interface RecoveryStackProps {
  readonly around: Surroundings;
  readonly identity: Identity;
  readonly data: DataStack;
  readonly events: EventsStack | null;
}

const BACKUP_POLICY = 'AWSBackupServiceRolePolicyForBackup';
/** Capacity units that a copy may grow to: enough to be looked into, whatever it is a copy of. */
const COPY_UNITS = 8;

/**
 * What brings the platform back when something is lost, and proves beforehand that it will: backups and
 * their copies in another region, the workflows that restore them every week, and the rehearsals.
 */
export class RecoveryStack extends StageStack {
  /** Who writes backups out. */
  private readonly archivist: Role;

  constructor(scope: Construct, settings: StageSettings, props: RecoveryStackProps) {
    super(scope, 'Recovery', settings, 'backups, restores and their proof');
    const { around, data } = props;
    const { stage, account } = settings;

    // What was copied here, and what took over, wait in places that go on being used.
    const waits = settings.takesOver !== null;
    const store = waits
      ? new RecoveryStore(this, 'Store', settings, told(settings, 'Standby', 'StoreKeyArn'))
      : new RecoveryStore(this, 'Store', settings);
    const vault = waits
      ? BackupVault.fromBackupVaultName(this, 'Vault', databaseNames(stage).vault)
      : makeVault(this, settings, store.key);
    this.plan(vault);

    this.archivist = makeArchivist(this, settings, props.identity);
    const integrity = new ServiceFunction(this, 'Integrity', {
      name: 'integrity',
      around,
      // The cluster itself: copies that are restored from it share its domain, the proxy does not.
      environment: { STAGE: stage, DATABASE_URL: data.writerUrl, DATABASE_AUTH: 'iam' },
      grants: data.grants,
    });
    const operations = new ServiceFunction(this, 'Operations', {
      name: 'operations',
      around,
      environment: {
        STAGE: stage,
        RECOVERY_FACTS: this.toJsonString(this.facts(props)),
        RECOVERY_BUCKET: store.bucket.bucketName,
        RECOVERY_TOPIC_ARN: store.topic.topicArn,
        INTEGRITY_FUNCTION_ARN: integrity.live.functionArn,
      },
      grants: { ...store.grants, ...this.grants(props, integrity) },
    });

    const name = platformClocks(stage);
    const group = waits ? name : new CfnScheduleGroup(this, 'Clocks', { name }).ref;
    const clock = new Role(this, 'Clock', {
      description: 'starts machines of the platform, and calls for rehearsals',
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
    });
    new PlatformMachines(this, 'Machines', {
      around,
      runsIn: 'home',
      runner: operations,
      group,
      clock,
      rehearses: settings.rehearses,
    });
    if (settings.rehearses) {
      new ZoneDrill(this, 'Drills', { around, data, store, group, clock });
    }
  }

  /** Every day and every month, here and in the region that waits. */
  private plan(vault: IBackupVault): void {
    const { stage, account, region, standby } = this.settings;
    const plan = new BackupPlan(this, 'Plan', { backupPlanName: `cloudflow-${stage}` });
    for (const [name, { schedule, keptDays }] of Object.entries(BACKUPS)) {
      const deleteAfter = Duration.days(keptDays);
      plan.addRule(
        new BackupPlanRule({
          ruleName: name,
          backupVault: vault,
          scheduleExpression: Schedule.expression(schedule),
          startWindow: Duration.hours(1),
          completionWindow: Duration.hours(6),
          deleteAfter,
          ...(standby === null
            ? {}
            : {
                copyActions: [
                  {
                    destinationBackupVault: BackupVault.fromBackupVaultArn(
                      this,
                      `Far${name}`,
                      vaultArn(this.settings, standby.region),
                    ),
                    deleteAfter,
                  },
                ],
              }),
        }),
      );
    }
    const role = new Role(this, 'BackupRole', {
      description: 'what AWS Backup makes backups of the database as',
      assumedBy: new ServicePrincipal('backup.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
      managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName(`service-role/${BACKUP_POLICY}`)],
    });
    acknowledge(
      role,
      `AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/${BACKUP_POLICY}]`,
      'AWS keeps what its own service needs for backups; a copy of it would fall behind',
    );
    plan.addSelection('Database', {
      backupSelectionName: `cloudflow-${stage}-database`,
      resources: [
        BackupResource.fromArn(
          `arn:aws:rds:${region}:${account}:cluster:${databaseNames(stage).cluster}`,
        ),
      ],
      role,
      disableDefaultBackupPolicy: true,
    });
  }

  private facts({ data, events, around, identity }: RecoveryStackProps): HomeFacts {
    const { stage, region } = this.settings;
    const names = databaseNames(stage);
    const { subnetIds } = around.vpc.selectSubnets({ subnetType: SubnetType.PRIVATE_ISOLATED });
    const subnets = new CfnDBSubnetGroup(this, 'CopySubnets', {
      dbSubnetGroupName: names.copies,
      dbSubnetGroupDescription: 'where copies of the database stand',
      subnetIds,
    });
    const parameters = new CfnDBClusterParameterGroup(this, 'CopyParameters', {
      dbClusterParameterGroupName: names.copies,
      description: 'copies of the database',
      family: `aurora-postgresql${DATABASE_VERSION.auroraPostgresMajorVersion}`,
      parameters: DATABASE_PARAMETERS,
    });
    return {
      stage,
      region,
      cluster: names.cluster,
      vault: names.vault,
      secretsPrefix: `cloudflow/${stage}/`,
      topicsCluster: events?.clusterArn ?? null,
      copies: {
        subnetGroup: subnets.ref,
        securityGroup: data.databaseGroupId,
        parameterGroup: parameters.ref,
        maxUnits: COPY_UNITS,
      },
      archive: {
        bucket: bucketNameOf(this.settings, 'snapshots'),
        role: this.archivist.roleArn,
        key: identity.dataKey.keyArn,
      },
    };
  }

  private grants(
    { identity, events }: RecoveryStackProps,
    integrity: ServiceFunction<'integrity'>,
  ): { readonly [C in Exclude<CapabilityOf<'operations'>, keyof RecoveryStore['grants']>]: Grant } {
    const { stage, account, region } = this.settings;
    const names = databaseNames(stage);
    const rds = `arn:aws:rds:${region}:${account}`;
    const prefix = restoredPrefix(stage);
    return {
      'recovery:integrity': (role) =>
        allow(role, {
          sid: sidOf('recovery:integrity'),
          actions: actionsOf('recovery:integrity'),
          resources: [integrity.live.functionArn],
        }),
      'recovery:answer': (role) =>
        allow(role, {
          sid: sidOf('recovery:answer'),
          actions: actionsOf('recovery:answer'),
          resources: [platformMachineArn({ stage, region, account }, '*')],
          star: 'machines of the platform, and no tenant’s',
        }),
      'recovery:backups': (role) =>
        allow(role, {
          sid: sidOf('recovery:backups'),
          actions: actionsOf('recovery:backups'),
          resources: [vaultArn(this.settings, region)],
        }),
      'recovery:databases': (role) =>
        allow(role, {
          sid: sidOf('recovery:databases'),
          actions: actionsOf('recovery:databases'),
          resources: [`${rds}:cluster:*`, `${rds}:db:*`],
          star: 'copies are found by looking at all clusters; nothing is changed',
        }),
      'recovery:copies': (role) => {
        const restores = actionsOf('recovery:copies').filter((each) => each.includes(':Restore'));
        const kms = actionsOf('recovery:copies').filter((each) => each.startsWith('kms:'));
        allow(role, {
          sid: sidOf('recovery:copies'),
          actions: actionsOf('recovery:copies').filter(
            (each) => ![...restores, ...kms, MAKE_INSTANCE].includes(each),
          ),
          resources: [
            `${rds}:cluster:${prefix}*`,
            `${rds}:db:${prefix}*`,
            // IAM asks about a last snapshot, though none is made.
            `${rds}:cluster-snapshot:${prefix}*`,
          ],
          star: 'copies are named after the execution that makes them; nothing else begins so',
        });
        allow(role, {
          sid: 'MakeCopies',
          actions: [MAKE_INSTANCE],
          resources: [
            `${rds}:cluster:${prefix}*`,
            `${rds}:db:${prefix}*`,
            ...groupsOfInstances(rds, names.copies),
          ],
          star: 'copies are named after the execution that makes them, default groups by AWS',
        });
        allow(role, {
          sid: 'RestoreInto',
          actions: restores,
          resources: [
            `${rds}:cluster:${prefix}*`,
            `${rds}:cluster:${names.cluster}`,
            `${rds}:cluster-snapshot:awsbackup:*`,
            `${rds}:subgrp:${names.copies}`,
            `${rds}:cluster-pg:${names.copies}`,
            defaultOptions(rds),
          ],
          star: 'backups are named by AWS Backup, copies after the execution that makes them',
        });
        // A backup of Aurora is sealed as its cluster is.
        identity.allowKey(role, 'SealCopies', kms, 'rds');
      },
      'recovery:archives': (role) => {
        const does = actionsOf('recovery:archives');
        allow(role, {
          sid: sidOf('recovery:archives'),
          actions: does.filter((each) => each.startsWith('rds:')),
          resources: [`${rds}:cluster-snapshot:awsbackup:*`],
          star: 'backups are named by AWS Backup',
        });
        allow(role, {
          sid: 'HandOnArchivist',
          actions: does.filter((each) => each.startsWith('iam:')),
          resources: [this.archivist.roleArn],
          conditions: { StringEquals: { 'iam:PassedToService': 'export.rds.amazonaws.com' } },
        });
        // RDS opens the backup and seals the files in the name of whoever asks for it.
        identity.allowKey(
          role,
          'SealArchives',
          does.filter((each) => each.startsWith('kms:')),
          'rds',
        );
      },
      'recovery:measures': (role) =>
        allow(role, {
          sid: sidOf('recovery:measures'),
          actions: actionsOf('recovery:measures'),
          resources: ['*'],
          star: 'metrics of AWS know no resource that reading them could be narrowed to',
        }),
      'recovery:secret-names': (role) =>
        allow(role, {
          sid: sidOf('recovery:secret-names'),
          actions: actionsOf('recovery:secret-names'),
          resources: ['*'],
          star: 'the list of secrets knows no resource that it could be narrowed to',
        }),
      'recovery:topics': (role) => {
        if (events === null) return;
        allow(role, {
          sid: sidOf('recovery:topics'),
          actions: actionsOf('recovery:topics'),
          resources: [
            events.clusterArn,
            `arn:aws:kafka:${region}:${account}:topic/${events.clusterName}/*`,
          ],
          star: 'every topic of this cluster',
        });
      },
    };
  }
}
