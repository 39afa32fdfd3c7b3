import {
  PLATFORM_WORKFLOWS,
  type PlatformWorkflow,
  platformWorkflowNames,
} from '#config/platform-workflows.ts';
import { DRILLS } from '#config/recovery.ts';
import type { Synthesised } from '../synth.ts';
import { entriesOf, type Rule, stackOf } from './view.ts';

function compare(
  what: string,
  there: readonly string[],
  wanted: readonly string[],
): readonly string[] {
  return [
    ...wanted.filter((each) => !there.includes(each)).map((each) => `no ${what}: ${each}`),
    ...there.filter((each) => !wanted.includes(each)).map((each) => `unasked ${what}: ${each}`),
  ];
}

/** Workflows of the platform that a stage has, each with its stack. */
function workflows({ settings }: Synthesised) {
  return platformWorkflowNames.flatMap((name) => {
    const workflow: PlatformWorkflow = PLATFORM_WORKFLOWS[name];
    const stack = workflow.runsIn === 'home' ? 'Recovery' : 'Standby';
    return stack === 'Standby' && settings.standby === null ? [] : [{ name, workflow, stack }];
  });
}

export const PLATFORM_MACHINES: Rule = {
  name: 'has every workflow of the platform as a machine in its region',
  problems: (made) => {
    const { stage } = made.settings;
    const own = workflows(made);
    return [
      ...compare(
        'machine',
        entriesOf(made, 'AWS::StepFunctions::StateMachine').map(
          ([id, { Properties }]) => `${stackOf(id)}/${String(Properties['StateMachineName'])}`,
        ),
        own.map(({ name, stack }) => `${stack}/platform-${stage}-${name}`),
      ),
    ];
  },
};

export const DRILLS_STOP: Rule = {
  name: 'a rehearsal ends by an alarm that is there before it',
  problems: (made) => {
    const drills = entriesOf(made, 'AWS::FIS::ExperimentTemplate');
    const { account, region, rehearses } = made.settings;
    if (drills.length > 0 !== rehearses) return [`${drills.length} rehearsals of a lost zone`];
    return drills.flatMap(([id, { Properties }]) => {
      const conditions = Properties['StopConditions'] as readonly {
        readonly Source: string;
        readonly Value?: string;
      }[];
      const alarms = entriesOf(made, 'AWS::CloudWatch::Alarm');
      return conditions.flatMap(({ Source, Value = '' }) => {
        const name = Value.replace(`arn:aws:cloudwatch:${region}:${account}:alarm:`, '');
        const alarm = alarms.find(([, of]) => of.Properties['AlarmName'] === name);
        if (Source !== 'aws:cloudwatch:alarm' || alarm === undefined) {
          return [`a rehearsal is stopped by ${Value}, which is no alarm`];
        }
        const first = stackOf(alarm[0]);
        return made.before.get(stackOf(id))?.includes(first) === true
          ? []
          : [`${stackOf(id)} is deployed before ${first}, which holds the alarm ${name}`];
      });
    });
  },
};

export const PLATFORM_CLOCKS: Rule = {
  name: 'starts workflows of the platform, and rehearsals, when their registry says',
  problems: (made) => {
    const { stage, rehearses } = made.settings;
    return compare(
      'clock',
      entriesOf(made, 'AWS::Scheduler::Schedule')
        .filter(([id]) => ['Recovery', 'Standby'].includes(stackOf(id)))
        .map(
          ([id, { Properties }]) =>
            `${stackOf(id)}/${String(Properties['Name'])} ${String(Properties['ScheduleExpression'])} ${String(Properties['ScheduleExpressionTimezone'])}`,
        ),
      [
        ...workflows(made).flatMap(({ name, workflow, stack }) =>
          workflow.schedule === null || (workflow.rehearsal && !rehearses)
            ? []
            : [`${stack}/platform-${stage}-${name} ${workflow.schedule.expression} UTC`],
        ),
        ...(rehearses
          ? Object.entries(DRILLS).map(
              ([name, { schedule }]) => `Recovery/platform-${stage}-drill-${name} ${schedule} UTC`,
            )
          : []),
      ],
    );
  },
};

export const DRILLS_ONCE: Rule = {
  name: 'starts a rehearsal once, however often its clock has to ask',
  problems: (made) =>
    entriesOf(made, 'AWS::Scheduler::Schedule').flatMap(([id, { Properties }]) => {
      const { Arn, Input } = Properties['Target'] as { Arn: unknown; Input?: unknown };
      if (!JSON.stringify(Arn).includes(':fis:startExperiment')) return [];
      // FIS refuses a call without one; that of an attempt would start another experiment at the next.
      return JSON.stringify(Input ?? '').includes('<aws.scheduler.scheduled-time>')
        ? []
        : [`${id} gives FIS no token of its own`];
    }),
};
