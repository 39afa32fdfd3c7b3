import type { Role } from 'aws-cdk-lib/aws-iam';
import { allow } from './grants.ts';

/** What every role of state machines may do besides its work: write their log, and their trace. */
export function allowMachinesToTell(role: Role): void {
  allow(role, {
    sid: 'Log',
    actions: [
      'logs:CreateLogDelivery',
      'logs:GetLogDelivery',
      'logs:UpdateLogDelivery',
      'logs:DeleteLogDelivery',
      'logs:ListLogDeliveries',
      'logs:PutResourcePolicy',
      'logs:DescribeResourcePolicies',
      'logs:DescribeLogGroups',
    ],
    resources: ['*'],
    star: 'deliveries of logs know no resource that these actions could be narrowed to',
  });
  allow(role, {
    sid: 'Trace',
    actions: [
      'xray:PutTraceSegments',
      'xray:PutTelemetryRecords',
      'xray:GetSamplingRules',
      'xray:GetSamplingTargets',
    ],
    resources: ['*'],
    star: 'X-Ray knows no resource that these actions could be narrowed to',
  });
}
