import { CfnOutput, Fn } from 'aws-cdk-lib/core';
import type { StageSettings } from '#config/stage-settings.ts';
import type { StageStack } from './stage-stack.ts';

/**
 * What stacks of the region that waits tell whoever takes over there: what AWS made up, and no name says.
 * It is read in the same region at deployment, so the lost one need not answer.
 */
const WAITING = {
  StandbyKeys: ['DataKeyArn'],
  StandbyStores: ['SigningKeyArn'],
  Standby: [
    'VpcId',
    'DataSubnets',
    'DataRoutes',
    'DatabaseGroupId',
    'DatabaseResourceId',
    'LogKeyArn',
    'StoreKeyArn',
  ],
} as const;
type Area = keyof typeof WAITING;

/** Every output that is promised, no other. */
export function tell<A extends Area>(
  stack: StageStack,
  area: A,
  values: { readonly [Name in (typeof WAITING)[A][number]]: string },
): void {
  const all: Readonly<Record<string, string>> = values;
  for (const name of WAITING[area]) {
    new CfnOutput(stack, name, {
      value: all[name] ?? '',
      description: 'for the deployment that takes over here',
    });
  }
}

export function told<A extends Area>(
  { stage }: StageSettings,
  area: A,
  output: (typeof WAITING)[A][number],
): string {
  return Fn.getStackOutput(`cloudflow-${stage}-${area.toLowerCase()}`, output);
}

/** Of a secret that is known by its name: AWS puts six characters behind it. */
export function waitingSecretArn(
  { region, account }: Pick<StageSettings, 'region' | 'account'>,
  name: string,
): string {
  return `arn:aws:secretsmanager:${region}:${account}:secret:${name}-??????`;
}
