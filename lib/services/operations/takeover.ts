/**
 * The region that waits takes over from the one that is lost, or that is to be left.
 *
 *  T1 every change is a `takeover`: without a person's approval in the same execution none is made.
 *  T2 the name leads back only while the old region still writes: afterwards there is one way, forward.
 */
import * as Type from 'typebox';
import { DNS_TTL_SECONDS } from '#config/recovery.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import type { GlobalDatabase } from '#ports/recovery.ts';
import { operationsOf, type StandbyWorld } from './operation.ts';

const operation = operationsOf<StandbyWorld>();

const Mode = Type.Union([Type.Literal('planned'), Type.Literal('unplanned')]);
const nothing = {};

export const TAKEOVER = {
  'takeover.plan': operation({
    about: 'what stands where, and what a take-over would change',
    effect: 'look',
    parameters: { mode: Mode },
    async perform(world, { mode }) {
      const database = await globalDatabase(world);
      const { dns, engine } = world.facts;
      const record = dns === null ? null : await world.dns.find(dns.zone, dns.name);
      const fleet =
        engine === null ? null : await world.fleets.find(engine.cluster, engine.service);
      const writer = writerOf(database);
      const changes = [
        ...(dns === null || record?.host === dns.host
          ? []
          : [`${dns.name} leads to ${dns.host} instead of ${record?.host ?? 'nothing'}`]),
        ...(writer === world.facts.region
          ? []
          : [
              `the database of ${world.facts.region} gets an instance and writes instead of ${writer}, ${mode}`,
            ]),
        ...(engine === null ? [] : [`the engine runs ${engine.least} to ${engine.most} tasks`]),
      ];
      return {
        mode,
        region: world.facts.region,
        writer,
        database_status: database.status,
        name: dns === null ? null : { name: dns.name, from: record?.host ?? null, to: dns.host },
        engine: engine === null ? null : { ...engine, running: fleet?.running ?? null },
        changes,
      };
    },
  }),

  'takeover.switch-name': operation({
    about: 'lets the name of the API lead to this region',
    effect: 'takeover',
    parameters: nothing,
    async perform(world) {
      const { dns } = world.facts;
      if (dns === null) return { change: null, ttl_seconds: null };
      const before = await world.dns.find(dns.zone, dns.name);
      if (before !== null && before.ttlSeconds === null) {
        throw new OperationFailure('Rejected', `${dns.name} is an alias; make it a CNAME`);
      }
      const change = await world.dns.point(dns.zone, dns.name, dns.host, DNS_TTL_SECONDS);
      return { change, ttl_seconds: DNS_TTL_SECONDS };
    },
  }),

  'takeover.name-everywhere': operation({
    about: 'whether the change of the name has reached every server of names',
    effect: 'look',
    parameters: { change: Type.Union([Type.String(), Type.Null()]) },
    async perform(world, { change }) {
      return { everywhere: change === null || (await world.dns.isEverywhere(change)) };
    },
  }),

  'takeover.restore-name': operation({
    about: 'lets the name lead back, as long as the old region still writes',
    effect: 'takeover',
    parameters: { to: Type.Union([Type.String(), Type.Null()]) },
    async perform(world, { to }) {
      const { dns } = world.facts;
      if (dns === null || to === null) return { restored: false, reason: 'it led nowhere else' };
      const database = await globalDatabase(world);
      if (writerOf(database) === world.facts.region || database.moving !== null) {
        return { restored: false, reason: 'the database has moved' };
      }
      await world.dns.point(dns.zone, dns.name, to, DNS_TTL_SECONDS);
      return { restored: true, reason: null };
    },
  }),

  'takeover.prepare': operation({
    about: 'gives the database of this region an instance that can be promoted',
    effect: 'takeover',
    parameters: nothing,
    async perform({ clusters, facts }) {
      const { instance, instanceClass } = facts;
      await clusters.addInstance(facts.cluster, instance, instanceClass);
      return { instance };
    },
  }),

  'takeover.prepared': operation({
    about: 'whether that instance answers',
    effect: 'look',
    parameters: nothing,
    async perform({ clusters, facts }) {
      const { instance } = facts;
      const cluster = await clusters.find(facts.cluster);
      const found = cluster?.instances.find(({ id }) => id === instance);
      const status = found?.status ?? 'none';
      return { status, ready: status === 'available' };
    },
  }),

  'takeover.promote': operation({
    about: 'makes the database of this region the one that writes',
    effect: 'takeover',
    parameters: { mode: Mode },
    async perform(world, { mode }) {
      const { globalDatabase: id, clusterArn } = world.facts;
      const database = await globalDatabase(world);
      const before = writerOf(database);
      const at = new Date(world.clock.now()).toISOString();
      if (before === world.facts.region) return { writer: before, asked_at: null };
      if (database.moving === null) await world.globalDatabases.promote(id, clusterArn, mode);
      return { writer: before, asked_at: at };
    },
  }),

  'takeover.promoted': operation({
    about: 'whether the database of this region writes',
    effect: 'look',
    parameters: nothing,
    async perform(world) {
      const database = await globalDatabase(world);
      const writer = writerOf(database);
      const cluster = await world.clusters.find(world.facts.cluster);
      return {
        writer,
        host: cluster?.host ?? null,
        done: writer === world.facts.region && database.moving === null,
      };
    },
  }),

  'takeover.scale': operation({
    about: 'lets the engine of this region run as many tasks as production needs',
    effect: 'takeover',
    parameters: nothing,
    async perform({ fleets, facts }) {
      const { engine } = facts;
      if (engine === null) return { least: 0, most: 0 };
      const { cluster, service, least, most } = engine;
      await fleets.scale(cluster, service, { least, most });
      return { least, most };
    },
  }),

  'takeover.scaled': operation({
    about: 'whether that many run',
    effect: 'look',
    parameters: nothing,
    async perform({ fleets, facts }) {
      const { engine } = facts;
      if (engine === null) return { running: 0, done: true };
      const fleet = await fleets.find(engine.cluster, engine.service);
      if (fleet === null) {
        throw new OperationFailure('NotFound', `there is no service ${engine.service}`);
      }
      return { running: fleet.running, done: fleet.running >= engine.least };
    },
  }),
} as const;

async function globalDatabase({ globalDatabases, facts }: StandbyWorld): Promise<GlobalDatabase> {
  const { globalDatabase: id, clusterArn } = facts;
  const found = await globalDatabases.find(id);
  if (found === null) throw new OperationFailure('NotFound', `there is no global database ${id}`);
  if (!found.members.some(({ arn }) => arn === clusterArn)) {
    throw new OperationFailure('Rejected', `the database of ${facts.region} is no part of ${id}`);
  }
  return found;
}

function writerOf({ members }: GlobalDatabase): string | null {
  return members.find(({ writer }) => writer)?.region ?? null;
}
