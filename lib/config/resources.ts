import { DEAD_TICKS } from './queues.ts';

/**
 * What resources of a stage are called, where somebody must know it besides the stack that makes them:
 * alarms, dashboards, runbooks. A test holds that templates make what stands here.
 */
export function resourceNames(stage: string) {
  const name = `cloudflow-${stage}`;
  return {
    api: name,
    /** The stage of API Gateway. */
    apiStage: 'live',
    database: name,
    globalDatabase: name,
    proxy: name,
    cache: name,
    /** Whom programs log in to the cache as. */
    cacheUser: `${name}-programs`,
    /** A node of the cache: ElastiCache counts shards and their nodes from 1. */
    cacheNode: (shard: number, node: number): string =>
      `${name}-${String(shard).padStart(4, '0')}-${String(node).padStart(3, '0')}`,
    cluster: name,
    engine: `${name}-engine`,
    kafka: name,
    logArchive: `${name}-logs`,
    deadTicks: `${name}-${DEAD_TICKS}`,
    functionName: (program: string): string => `${name}-${program}`,
    queue: (queue: string): string => `${name}-${queue}`,
    deadQueue: (queue: string): string => `${name}-${queue}-dead`,
  } as const;
}
