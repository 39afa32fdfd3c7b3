/**
 * How many tasks the engine has, between the two bounds of its stage: as many as its processors and its
 * backlog ask for. Deploy code makes a policy of each goal, and tests read the templates back.
 *
 *  S1 the larger of what the goals ask for is had, and tasks are taken away only when all agree: both
 *     are tracked, and a policy of steps beside a tracked one would be undone by it minute by minute;
 *  S2 no figure grows with the number of tasks. What waits is counted once, by the one program that
 *     measures it, and divided by the tasks that run.
 */
import { resourceNames } from './resources.ts';
import { aws, math, ours, type Signal, series } from './signals.ts';
import type { Stage } from './stages.ts';

export interface ScalingGoal {
  readonly name: 'cpu' | 'backlog';
  readonly about: string;
  readonly signal: Signal;
  /** What the signal is kept at. */
  readonly target: number;
}

/** After tasks were added or taken away: so long the next change of the same kind waits. */
export const SCALING_COOLDOWN = { outSeconds: 60, inSeconds: 600 } as const;

const CPU_TARGET_PERCENT = 65;
/** What is picked up sooner is arrival and no backlog: an idle engine looks every quarter of a second. */
export const LATE_SECONDS = 10;
/** A tenth of what a task takes up at a look: with as many left, all of them are behind. */
const BACKLOG_PER_TASK = 20;

export function engineScaling(stage: Stage): readonly ScalingGoal[] {
  const names = resourceNames(stage);
  const at = { ClusterName: names.cluster, ServiceName: names.engine };
  const Runtime = 'engine';
  return [
    {
      name: 'cpu',
      about: 'percent of the processors of all tasks',
      signal: series(aws('AWS/ECS', 'CPUUtilization', 'Average', at)),
      target: CPU_TARGET_PERCENT,
    },
    {
      name: 'backlog',
      about: `executions for each task that are due and that nobody runs, once one is ${LATE_SECONDS} seconds late`,
      signal: math(`IF(oldest > ${LATE_SECONDS}, due / tasks, 0)`, {
        oldest: ours(stage, 'OldestDue', 'Maximum', { Runtime }),
        due: ours(stage, 'ExecutionsDue', 'Maximum', { Runtime }),
        tasks: aws('ECS/ContainerInsights', 'RunningTaskCount', 'Average', at),
      }),
      target: BACKLOG_PER_TASK,
    },
  ];
}
