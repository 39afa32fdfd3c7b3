import type { Priority } from './alarms/alarm.ts';

/**
 * The platform's own workflows: definitions in `statemachines/`, compiled at synth, each a machine of
 * its own. The stacks deploy what stands here and nothing else, the function that does their work knows
 * their programs, and runbooks name them.
 */
export interface PlatformWorkflow {
  readonly about: string;
  /** `home`: where the platform serves. `standby`: where it waits to take over. */
  readonly runsIn: 'home' | 'standby';
  /** In UTC, as EventBridge Scheduler writes it; null: started by a person alone. */
  readonly schedule: { readonly expression: string; readonly input: object } | null;
  /** Of the alarm when it did not succeed. */
  readonly priority: Priority;
  /** The clock starts it only in stages that rehearse. */
  readonly rehearsal: boolean;
}

export const PLATFORM_WORKFLOWS = {
  'restore-test': {
    about: 'restores the latest backup into a copy, looks into it, reports and removes it',
    runsIn: 'home',
    schedule: { expression: 'cron(0 5 ? * SUN *)', input: {} },
    priority: 'P3',
    rehearsal: true,
  },
  'region-failover': {
    about: 'takes over from the region that serves, once a person has approved',
    runsIn: 'standby',
    // Every quarter it says what it would do; the drill itself is a person's, by the runbook.
    schedule: {
      expression: 'cron(0 14 15 1,4,7,10 ? *)',
      input: { mode: 'planned', dry_run: true },
    },
    priority: 'P1',
    rehearsal: true,
  },
  'database-archive': {
    about: 'writes the latest backup out as files that need no database, to be kept for years',
    runsIn: 'home',
    // After the monthly backup was made.
    schedule: { expression: 'cron(0 12 1 * ? *)', input: {} },
    priority: 'P3',
    rehearsal: false,
  },
  'service-report': {
    about: 'writes the service level of the month that is over, and tells it',
    runsIn: 'home',
    schedule: { expression: 'cron(0 7 1 * ? *)', input: {} },
    priority: 'P3',
    rehearsal: false,
  },
  'secret-inventory': {
    about: 'writes names, ages and rotation of all secrets',
    runsIn: 'home',
    schedule: { expression: 'rate(6 hours)', input: {} },
    priority: 'P3',
    rehearsal: false,
  },
  'topic-configurations': {
    about: 'writes the settings of every topic',
    runsIn: 'home',
    schedule: { expression: 'cron(30 1 * * ? *)', input: {} },
    priority: 'P3',
    rehearsal: false,
  },
} as const satisfies Record<string, PlatformWorkflow>;

export type PlatformWorkflowName = keyof typeof PLATFORM_WORKFLOWS;
export const platformWorkflowNames = Object.keys(PLATFORM_WORKFLOWS) as PlatformWorkflowName[];

/** Those of one region. */
export function platformWorkflowsIn(region: PlatformWorkflow['runsIn']): PlatformWorkflowName[] {
  return platformWorkflowNames.filter((name) => PLATFORM_WORKFLOWS[name].runsIn === region);
}

/** What their clocks are kept in, one group in each region. */
export function platformClocks(stage: string): string {
  return `platform-${stage}`;
}

/** What machines of the platform are called: not as those of tenants, which are made and collected. */
export function platformMachineName(stage: string, workflow: PlatformWorkflowName): string {
  return `platform-${stage}-${workflow}`;
}

export function platformMachineArn(
  at: { readonly stage: string; readonly region: string; readonly account: string },
  workflow: PlatformWorkflowName | '*',
): string {
  return `arn:aws:states:${at.region}:${at.account}:stateMachine:platform-${at.stage}-${workflow}`;
}
