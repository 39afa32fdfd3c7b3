import { isDeepStrictEqual } from 'node:util';
import { engineScaling, SCALING_COOLDOWN, type ScalingGoal } from '#config/engine-scaling.ts';
import { resourceNames } from '#config/resources.ts';
import type { Series } from '#config/signals.ts';
import type { Resource } from '../synth.ts';
import { entriesOf, nameOf, type Rule, referred, stackOf } from './view.ts';

const dimensionsOf = ({ dimensions }: Series) =>
  Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));

/** What is tracked, as CloudFormation is told it. */
function trackedOf({ signal }: ScalingGoal): unknown {
  if (signal.kind === 'series') {
    const { namespace, name, statistic } = signal.series;
    return {
      Dimensions: dimensionsOf(signal.series),
      MetricName: name,
      Namespace: namespace,
      Statistic: statistic,
    };
  }
  return {
    Metrics: [
      ...Object.entries(signal.of).map(([Id, each]) => ({
        Id,
        MetricStat: {
          Metric: {
            Dimensions: dimensionsOf(each),
            MetricName: each.name,
            Namespace: each.namespace,
          },
          Stat: each.statistic,
        },
        ReturnData: false,
      })),
      { Expression: signal.expression, Id: 'tracked', ReturnData: true },
    ],
  };
}

/** Disks of brokers, where a stage has any: Express brokers have none that could fill. */
export const DISKS: Rule = {
  name: 'disks of brokers grow by themselves up to the most that their stage says',
  problems(made) {
    const storage = made.settings.events?.storage ?? null;
    const targets = entriesOf(made, 'AWS::ApplicationAutoScaling::ScalableTarget').filter(
      ([, { Properties }]) => Properties['ServiceNamespace'] === 'kafka',
    );
    if (storage === null) return targets.map(([id]) => `${id} grows disks that there are not`);
    const [id, target] = targets[0] ?? [];
    if (id === undefined || target?.Properties['MaxCapacity'] !== storage.maxGigabytes) {
      return ['no disk grows'];
    }
    const grown = entriesOf(made, 'AWS::ApplicationAutoScaling::ScalingPolicy').some(
      ([of, { Properties }]) =>
        referred(made, stackOf(of), Properties['ScalingTargetId']).includes(id),
    );
    return grown ? [] : ['the cluster of brokers does not scale by storage'];
  },
};

export const SCALING: Rule = {
  name: 'the engine has as many tasks as its processors and its backlog ask for, and loses them slowly',
  problems(made) {
    const { engine, stage } = made.settings;
    const [id, target] =
      entriesOf(made, 'AWS::ApplicationAutoScaling::ScalableTarget').find(
        ([, { Properties }]) => Properties['ServiceNamespace'] === 'ecs',
      ) ?? [];
    if (id === undefined || target === undefined) return ['nothing scales the engine'];
    const { MinCapacity, MaxCapacity, ResourceId } = target.Properties;
    const services = made.ofType('AWS::ECS::Service');
    const policies = entriesOf(made, 'AWS::ApplicationAutoScaling::ScalingPolicy').filter(
      ([of, { Properties }]) =>
        referred(made, stackOf(of), Properties['ScalingTargetId']).includes(id),
    );
    const policyOf = (goal: ScalingGoal): Resource | undefined =>
      policies.find(
        ([, { Properties }]) => Properties['PolicyName'] === nameOf(made, `engine-${goal.name}`),
      )?.[1];
    const of = JSON.stringify(ResourceId);
    return [
      ...(MinCapacity === engine.minTasks && MaxCapacity === engine.maxTasks
        ? []
        : [`the engine has ${String(MinCapacity)} to ${String(MaxCapacity)} tasks`]),
      ...(of.includes('service/') && of.includes('"Name"]')
        ? []
        : [`what is scaled is ${of} and not ${resourceNames(stage).engine}`]),
      ...services.flatMap(({ Properties }) =>
        Properties['DesiredCount'] === undefined ? [] : ['a deployment sets the tasks back'],
      ),
      ...engineScaling(stage).flatMap((goal) => {
        const policy = policyOf(goal);
        if (policy === undefined) return [`the engine does not scale by ${goal.name}`];
        const wanted = {
          CustomizedMetricSpecification: trackedOf(goal),
          ScaleInCooldown: SCALING_COOLDOWN.inSeconds,
          ScaleOutCooldown: SCALING_COOLDOWN.outSeconds,
          TargetValue: goal.target,
        };
        const { PolicyType, TargetTrackingScalingPolicyConfiguration: is } = policy.Properties;
        return PolicyType === 'TargetTrackingScaling' && isDeepStrictEqual(is, wanted)
          ? []
          : [`the engine scales otherwise by ${goal.name}: ${JSON.stringify(is)}`];
      }),
      // A policy of steps would be undone by those that track, minute by minute.
      ...policies.flatMap(([, { Properties }]) =>
        Properties['PolicyType'] === 'TargetTrackingScaling'
          ? []
          : [`${String(Properties['PolicyName'])} does not track`],
      ),
    ];
  },
};

/** ECS takes no service that names a provider its cluster has not been told, and lets go of none in use. */
export const PROVIDERS: Rule = {
  name: 'tells the cluster its capacity providers before a service names one',
  problems: (made) =>
    entriesOf(made, 'AWS::ECS::Service')
      .filter(([, { Properties }]) => Properties['CapacityProviderStrategy'] !== undefined)
      .flatMap(([id, { DependsOn = [] }]) =>
        DependsOn.some(
          (each) =>
            made.resources.get(`${stackOf(id)}/${each}`)?.Type ===
            'AWS::ECS::ClusterCapacityProviderAssociations',
        )
          ? []
          : [`${id} waits for no capacity providers`],
      ),
};
