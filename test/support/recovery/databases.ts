import type { Clock } from '#ports/clock.ts';
import type { Answer, Asked, Request, Service } from './emulation.ts';
import { createExports, type EmulatedExport } from './exports.ts';
import { type Input, need, Refusal } from './refusal.ts';
import { type Xml, xml, xmlError } from './xml.ts';

/** Clusters of RDS, their instances and their global databases, as far as operations look at them. */
export interface Databases {
  readonly service: Service;
  readonly clusters: ReadonlyMap<string, EmulatedCluster>;
  readonly instances: ReadonlyMap<string, EmulatedInstance>;
  /** There from the start, with an instance unless it is headless. */
  addCluster(id: string, more?: { readonly headless?: boolean }): void;
  /** Members are ARNs; the first writes. */
  addGlobal(id: string, members: readonly string[]): void;
  globalWriter(id: string): string | null;
  /** Snapshots that can be restored. */
  readonly snapshots: Set<string>;
  /** Exports of snapshots, by their names. */
  readonly exports: ReadonlyMap<string, EmulatedExport>;
  /** A restore or an export of this snapshot ends badly. */
  readonly spoiled: Set<string>;
}

export interface EmulatedCluster {
  readonly id: string;
  readonly createdAt: number;
  readonly deletedAt: number | null;
  readonly spoiled: boolean;
  readonly tags: readonly string[];
}

export interface EmulatedInstance {
  readonly id: string;
  readonly cluster: string;
  readonly createdAt: number;
  readonly deletedAt: number | null;
}

interface Global {
  readonly id: string;
  readonly members: readonly string[];
  writer: string;
  moving: { readonly to: string; readonly at: number } | null;
}

/** How long things take, in ms; RDS promises nothing, and tests need no more than that it takes time. */
const TAKES = {
  restore: 100_000,
  instance: 50_000,
  instanceGone: 40_000,
  clusterGone: 20_000,
  takeover: 40_000,
} as const;

export function createDatabases({
  clock,
  region,
  databaseHost,
}: {
  readonly clock: Clock;
  readonly region: string;
  readonly databaseHost: string;
}): Databases {
  const clusters = new Map<string, EmulatedCluster>();
  const instances = new Map<string, EmulatedInstance>();
  const globals = new Map<string, Global>();
  const snapshots = new Set<string>();
  const spoiled = new Set<string>();
  const arnOf = (id: string): string => `arn:aws:rds:${region}:111111111111:cluster:${id}`;

  /** What has ended by now is gone; what has moved by now has moved. */
  function pass(): void {
    const now = clock.now();
    for (const { id, deletedAt } of [...instances.values()]) {
      if (deletedAt !== null && now >= deletedAt + TAKES.instanceGone) instances.delete(id);
    }
    for (const { id, deletedAt } of [...clusters.values()]) {
      const empty = ![...instances.values()].some(({ cluster }) => cluster === id);
      if (deletedAt !== null && empty && now >= deletedAt + TAKES.clusterGone) clusters.delete(id);
    }
    for (const global of globals.values()) {
      if (global.moving === null || now < global.moving.at + TAKES.takeover) continue;
      global.writer = global.moving.to;
      global.moving = null;
    }
  }

  function clusterStatus({ createdAt, deletedAt, spoiled: bad }: EmulatedCluster): string {
    if (deletedAt !== null) return 'deleting';
    if (clock.now() < createdAt + TAKES.restore) return 'creating';
    return bad ? 'incompatible-restore' : 'available';
  }
  function instanceStatus({ createdAt, deletedAt }: EmulatedInstance): string {
    if (deletedAt !== null) return 'deleting';
    return clock.now() < createdAt + TAKES.instance ? 'creating' : 'available';
  }
  const instancesOf = (cluster: string): EmulatedInstance[] =>
    [...instances.values()].filter((each) => each.cluster === cluster);

  const describeCluster = (cluster: EmulatedCluster): Xml => ({
    DBClusterIdentifier: cluster.id,
    DBClusterArn: arnOf(cluster.id),
    Status: clusterStatus(cluster),
    Endpoint: databaseHost,
    ClusterCreateTime: new Date(cluster.createdAt).toISOString(),
  });
  const describeInstance = (instance: EmulatedInstance): Xml => ({
    DBInstanceIdentifier: instance.id,
    DBClusterIdentifier: instance.cluster,
    DBInstanceStatus: instanceStatus(instance),
  });

  const exports = createExports(clock, { snapshots, spoiled });
  const clusterAt = (id: string): EmulatedCluster => {
    const found = clusters.get(id);
    if (found === undefined) throw new Refusal('DBClusterNotFoundFault', `no cluster ${id}`);
    return found;
  };

  function restore(input: Input, source: string): Xml {
    const id = need(input, 'DBClusterIdentifier');
    if (clusters.has(id)) throw new Refusal('DBClusterAlreadyExistsFault', `${id} exists`);
    for (const name of ['DBSubnetGroupName', 'DBClusterParameterGroupName']) need(input, name);
    need(input, 'VpcSecurityGroupIds.VpcSecurityGroupId.1');
    const cluster: EmulatedCluster = {
      id,
      createdAt: clock.now(),
      deletedAt: null,
      spoiled: spoiled.has(source),
      tags: Object.entries(input)
        .filter(([name]) => name.startsWith('Tags.'))
        .map(([, value]) => value),
    };
    clusters.set(id, cluster);
    return { DBCluster: describeCluster(cluster) };
  }

  const operations: Readonly<Record<string, (input: Input) => Xml>> = {
    DescribeDBClusters(input) {
      const id = input['DBClusterIdentifier'];
      const found = id === undefined ? [...clusters.values()] : [clusterAt(id)];
      return { DBClusters: ['DBCluster', found.map(describeCluster)] };
    },
    DescribeDBInstances(input) {
      if (need(input, 'Filters.Filter.1.Name') !== 'db-cluster-id') {
        throw new Refusal('InvalidParameterValue', 'this filter is not emulated');
      }
      const found = instancesOf(need(input, 'Filters.Filter.1.Values.Value.1'));
      return { DBInstances: ['DBInstance', found.map(describeInstance)] };
    },
    RestoreDBClusterFromSnapshot(input) {
      const snapshot = need(input, 'SnapshotIdentifier');
      if (!snapshots.has(snapshot)) {
        throw new Refusal('DBClusterSnapshotNotFoundFault', `no snapshot ${snapshot}`);
      }
      return restore(input, snapshot);
    },
    RestoreDBClusterToPointInTime(input) {
      const at = Date.parse(need(input, 'RestoreToTime'));
      if (at > clock.now()) throw new Refusal('InvalidRestoreFault', 'that is not yet');
      return restore(input, clusterAt(need(input, 'SourceDBClusterIdentifier')).id);
    },
    CreateDBInstance(input) {
      const id = need(input, 'DBInstanceIdentifier');
      const cluster = clusterAt(need(input, 'DBClusterIdentifier'));
      if (instances.has(id)) throw new Refusal('DBInstanceAlreadyExists', `${id} exists`);
      if (clusterStatus(cluster) !== 'available') {
        throw new Refusal('InvalidDBClusterStateFault', `${cluster.id} is not available`);
      }
      const instance = { id, cluster: cluster.id, createdAt: clock.now(), deletedAt: null };
      instances.set(id, instance);
      return { DBInstance: describeInstance(instance) };
    },
    DeleteDBInstance(input) {
      const id = need(input, 'DBInstanceIdentifier');
      const instance = instances.get(id);
      if (instance === undefined) throw new Refusal('DBInstanceNotFound', `no instance ${id}`);
      if (instanceStatus(instance) !== 'available') {
        throw new Refusal('InvalidDBInstanceState', `${id} is ${instanceStatus(instance)}`);
      }
      const deleting = { ...instance, deletedAt: clock.now() };
      instances.set(id, deleting);
      return { DBInstance: describeInstance(deleting) };
    },
    DeleteDBCluster(input) {
      const cluster = clusterAt(need(input, 'DBClusterIdentifier'));
      const busy = instancesOf(cluster.id).some((each) => each.deletedAt === null);
      if (busy || ['creating', 'deleting'].includes(clusterStatus(cluster))) {
        throw new Refusal('InvalidDBClusterStateFault', `${cluster.id} cannot be deleted now`);
      }
      const deleting = { ...cluster, deletedAt: clock.now() };
      clusters.set(cluster.id, deleting);
      return { DBCluster: describeCluster(deleting) };
    },
    DescribeGlobalClusters(input) {
      const id = need(input, 'GlobalClusterIdentifier');
      const global = globals.get(id);
      if (global === undefined) throw new Refusal('GlobalClusterNotFoundFault', `no ${id}`);
      const { members, writer, moving } = global;
      return {
        GlobalClusters: [
          'GlobalClusterMember',
          [
            {
              GlobalClusterIdentifier: id,
              Status: moving === null ? 'available' : 'failing-over',
              ...(moving === null ? {} : { FailoverState: { Status: 'failing-over' } }),
              GlobalClusterMembers: [
                'GlobalClusterMember',
                members.map((arn) => ({ DBClusterArn: arn, IsWriter: arn === writer })),
              ],
            },
          ],
        ],
      };
    },
    ...exports.operations,
    SwitchoverGlobalCluster: (input) => move(input, false),
    FailoverGlobalCluster: (input) => move(input, true),
  };

  function move(input: Input, losing: boolean): Xml {
    const global = globals.get(need(input, 'GlobalClusterIdentifier'));
    const to = need(input, 'TargetDbClusterIdentifier');
    if (global === undefined) throw new Refusal('GlobalClusterNotFoundFault', 'no such database');
    if (!global.members.includes(to)) throw new Refusal('DBClusterNotFoundFault', `no ${to}`);
    if (losing !== (input['AllowDataLoss'] === 'true')) {
      throw new Refusal('InvalidParameterCombination', 'say whether data may be lost');
    }
    const cluster = clusterAt(to.split(':').at(-1) ?? '');
    const ready = instancesOf(cluster.id).some((each) => instanceStatus(each) === 'available');
    if (!ready || global.moving !== null) {
      throw new Refusal('InvalidGlobalClusterStateFault', 'it cannot be promoted now');
    }
    global.moving = { to, at: clock.now() };
    return { GlobalCluster: { GlobalClusterIdentifier: global.id, Status: 'failing-over' } };
  }

  return {
    clusters,
    instances,
    exports: exports.tasks,
    snapshots,
    spoiled,
    addCluster(id, { headless = false } = {}) {
      clusters.set(id, { id, createdAt: 0, deletedAt: null, spoiled: false, tags: [] });
      if (!headless) {
        instances.set(`${id}-writer`, {
          id: `${id}-writer`,
          cluster: id,
          createdAt: 0,
          deletedAt: null,
        });
      }
    },
    addGlobal(id, members) {
      globals.set(id, { id, members, writer: members[0] ?? '', moving: null });
    },
    globalWriter(id) {
      pass();
      return globals.get(id)?.writer ?? null;
    },
    service: {
      understand({ headers, body }: Request): Asked | null {
        if (!String(headers['content-type']).includes('x-www-form-urlencoded')) return null;
        const input = Object.fromEntries(new URLSearchParams(body));
        if (input['Version'] !== '2014-10-31') return null;
        return { operation: `rds.${String(input['Action'])}`, input };
      },
      answer({ operation, input }: Asked): Answer {
        pass();
        const name = operation.slice('rds.'.length);
        const perform = operations[name];
        if (perform === undefined) return xmlError(400, 'InvalidAction', name);
        try {
          const result = xml(perform(input as Input));
          return {
            status: 200,
            type: 'text/xml',
            body: `<${name}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><${name}Result>${result}</${name}Result></${name}Response>`,
          };
        } catch (error) {
          if (error instanceof Refusal) return xmlError(400, error.code, error.message);
          throw error;
        }
      },
      refuse: xmlError,
    },
  };
}
