import {
  type ApplicationAutoScalingClient,
  RegisterScalableTargetCommand,
} from '@aws-sdk/client-application-auto-scaling';
import { DescribeServicesCommand, type ECSClient } from '@aws-sdk/client-ecs';
import type { Fleets } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

/** Services of ECS whose number of tasks Application Auto Scaling keeps. */
export function createFleets(clients: {
  readonly services: ECSClient;
  readonly scaling: ApplicationAutoScalingClient;
}): Fleets {
  return {
    async find(cluster, service) {
      const { services = [] } = await asked('a service', () =>
        clients.services.send(new DescribeServicesCommand({ cluster, services: [service] })),
      );
      const found = services.find(({ status }) => status === 'ACTIVE');
      return found === undefined
        ? null
        : { desired: found.desiredCount ?? 0, running: found.runningCount ?? 0 };
    },
    async scale(cluster, service, { least, most }) {
      // Where fewer run than the new least, more are started at once.
      await asked('the bounds of a service', () =>
        clients.scaling.send(
          new RegisterScalableTargetCommand({
            ServiceNamespace: 'ecs',
            ResourceId: `service/${cluster}/${service}`,
            ScalableDimension: 'ecs:service:DesiredCount',
            MinCapacity: least,
            MaxCapacity: most,
          }),
        ),
      );
    },
  };
}
