/**
 * Copies of the database: made out of a backup or of an instant, looked into, and removed.
 *
 *  C1 a copy is named after its execution, so repeating is finding, and removing needs no result of
 *     the step that made it.
 *  C2 nothing is removed whose name does not begin as copies' do.
 */
import * as Type from 'typebox';
import { type HomeFacts, restoredPrefix } from '#config/recovery.ts';
import { sha256Hex } from '#core/hash.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import type { Cluster, Clusters } from '#ports/recovery.ts';
import { type HomeWorld, operationsOf } from './operation.ts';

const operation = operationsOf<HomeWorld>();

const SERVERLESS = 'db.serverless';
/** What is older belongs to an execution that ended without removing it. */
const LEFT_OVER_MS = 86_400_000;
const GONE_WRONG = /fail|incompatible|inaccessible|error/;

const nothing = {};

export const RESTORE = {
  'backup.latest': operation({
    about: 'the newest complete backup of the database',
    effect: 'look',
    parameters: nothing,
    async perform({ backups, facts, clock }) {
      const latest = await backups.latest(facts.vault);
      if (latest === null) {
        throw new OperationFailure('NotFound', `the vault ${facts.vault} has no backup`);
      }
      return {
        recovery_point: latest.id,
        at: new Date(latest.at).toISOString(),
        age_seconds: Math.max(0, Math.round((clock.now() - latest.at) / 1_000)),
      };
    },
  }),

  'restore.begin': operation({
    about: 'makes a copy of the database: of a backup, or as it was at an instant',
    effect: 'copy',
    parameters: {
      recovery_point: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
      until: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
    },
    async perform(world, { recovery_point = null, until = null }, { executionId }) {
      const { facts, clusters } = world;
      const { copies } = facts;
      const at = until === null ? null : Date.parse(until);
      if ((recovery_point === null) === (at === null) || Number.isNaN(at)) {
        throw new OperationFailure(
          'InvalidConfig',
          'give either a recovery point or an instant in RFC 3339',
        );
      }
      const id = copyOf(facts, executionId);
      await clusters.restore({
        id,
        of: at === null ? { point: recovery_point ?? '' } : { cluster: facts.cluster, at },
        subnetGroup: copies.subnetGroup,
        securityGroups: [copies.securityGroup],
        parameterGroup: copies.parameterGroup,
        maxUnits: copies.maxUnits,
        tags: { 'cloudflow:stage': facts.stage, 'cloudflow:restored-by': executionId },
      });
      return { cluster: id };
    },
  }),

  'restore.look': operation({
    about: 'whether the copy is there, with an instance that answers',
    effect: 'look',
    parameters: nothing,
    async perform({ clusters, facts }, _, { executionId }) {
      const cluster = await present(clusters, copyOf(facts, executionId));
      const [instance] = cluster.instances;
      const status = instance?.status ?? 'none';
      if (GONE_WRONG.test(cluster.status) || GONE_WRONG.test(status)) {
        throw new OperationFailure(
          'Rejected',
          `the copy is ${cluster.status}, its instance ${status}`,
        );
      }
      return {
        cluster: cluster.id,
        host: cluster.host,
        status: cluster.status,
        instance_status: status,
        restored: cluster.status === 'available',
        ready: cluster.status === 'available' && status === 'available',
      };
    },
  }),

  'restore.attach': operation({
    about: 'gives the copy an instance, so that it can be asked',
    effect: 'copy',
    parameters: nothing,
    async perform({ clusters, facts }, _, { executionId }) {
      const id = copyOf(facts, executionId);
      await clusters.addInstance(id, `${id}-1`, SERVERLESS);
      return { instance: `${id}-1` };
    },
  }),

  'restore.remove': operation({
    about: 'removes the copy and its instances, whatever state they are in',
    effect: 'copy',
    parameters: nothing,
    async perform(world, _, { executionId }) {
      return remove(world, copyOf(world.facts, executionId));
    },
  }),

  'restore.sweep': operation({
    about: 'removes copies of executions that ended a day ago without removing them',
    effect: 'copy',
    parameters: nothing,
    async perform(world) {
      const { clusters, facts, clock } = world;
      const found = await clusters.list(restoredPrefix(facts.stage));
      const old = found.filter(({ createdAt }) => createdAt < clock.now() - LEFT_OVER_MS);
      for (const { id } of old) await remove(world, id);
      return { found: found.length, removing: old.map(({ id }) => id) };
    },
  }),
} as const;

/** One turn of removing: true when nothing is left, else it is to be asked again. */
async function remove(
  { clusters, facts }: HomeWorld,
  id: string,
): Promise<{ readonly cluster: string; readonly gone: boolean; readonly status: string }> {
  if (!id.startsWith(restoredPrefix(facts.stage))) {
    throw new OperationFailure('PermissionDenied', `${id} is not named as a copy`);
  }
  const cluster = await clusters.find(id);
  if (cluster === null) return { cluster: id, gone: true, status: 'none' };
  for (const instance of cluster.instances) {
    if (instance.status !== 'deleting') await clusters.removeInstance(instance.id);
  }
  if (cluster.status !== 'deleting') await clusters.remove(id);
  return { cluster: id, gone: false, status: cluster.status };
}

function copyOf({ stage }: HomeFacts, executionId: string): string {
  return `${restoredPrefix(stage)}${sha256Hex(executionId).slice(0, 12)}`;
}

async function present(clusters: Clusters, id: string): Promise<Cluster> {
  const cluster = await clusters.find(id);
  if (cluster === null) throw new OperationFailure('NotFound', `there is no cluster ${id}`);
  return cluster;
}
