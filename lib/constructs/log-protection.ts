import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnLogGroup, LogGroup } from 'aws-cdk-lib/aws-logs';
import { RemovalPolicy, Stack } from 'aws-cdk-lib/core';
import type { Construct, IConstruct } from 'constructs';
import { findingsLog, HIDDEN, HIDDEN_OF_OURS, isLookedThrough } from '#config/log-protection.ts';
import type { StageSettings } from '#config/stage-settings.ts';

/** The log of what was found in others, which is there before them: one for each region. */
export function makeFindingsLog(scope: Construct, settings: StageSettings, key: IKey): void {
  new LogGroup(scope, 'Findings', {
    logGroupName: findingsLog(settings.stage),
    retention: settings.logDays,
    encryptionKey: key,
    removalPolicy: settings.retain ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  });
}

/** Has CloudWatch hide personal data and credentials in every log that was made so far. */
export function protectLogs(scope: IConstruct, { stage }: StageSettings): void {
  const groups = scope.node.findAll().filter((each) => each instanceof CfnLogGroup);
  for (const group of groups) {
    if (!isLookedThrough(group.logGroupName ?? '')) continue;
    group.dataProtectionPolicy = policyOf(stage);
    const findings = groups.find(
      (each) => each.logGroupName === findingsLog(stage) && Stack.of(each) === Stack.of(group),
    );
    if (findings !== undefined) group.addResourceDependency(findings);
  }
}

function policyOf(stage: string) {
  const identifiers = [
    ...HIDDEN.map((name) => `arn:aws:dataprotection::aws:data-identifier/${name}`),
    ...HIDDEN_OF_OURS.map(({ Name }) => Name),
  ];
  return {
    Name: `cloudflow-${stage}`,
    Description: 'personal data and credentials',
    Version: '2021-06-01',
    Configuration: { CustomDataIdentifier: [...HIDDEN_OF_OURS] },
    Statement: [
      {
        Sid: 'Tell',
        DataIdentifier: identifiers,
        Operation: {
          Audit: { FindingsDestination: { CloudWatchLogs: { LogGroup: findingsLog(stage) } } },
        },
      },
      {
        Sid: 'Hide',
        DataIdentifier: identifiers,
        Operation: { Deidentify: { MaskConfig: {} } },
      },
    ],
  };
}
