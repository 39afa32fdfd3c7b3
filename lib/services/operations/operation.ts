import type { Static, TObject, TProperties } from 'typebox';
import * as Type from 'typebox';
import type { HomeFacts, StandbyFacts } from '#config/recovery.ts';
import type { Json } from '#core/json.ts';
import type { Clock } from '#ports/clock.ts';
import type {
  Announcements,
  Archives,
  Backups,
  Clusters,
  Dns,
  Documents,
  Fleets,
  GlobalDatabases,
  IntegrityChecks,
  Measures,
  SecretInventory,
  TopicInventory,
} from '#ports/recovery.ts';

/** What operations work with, wherever they run. */
export interface World {
  readonly facts: HomeFacts | StandbyFacts;
  readonly clock: Clock;
  readonly documents: Documents;
  readonly announcements: Announcements;
  readonly integrity: IntegrityChecks;
}

/** Where the platform serves: copies are made, inventories and reports written. */
export interface HomeWorld extends World {
  readonly facts: HomeFacts;
  readonly backups: Backups;
  readonly clusters: Clusters;
  readonly secrets: SecretInventory;
  readonly topics: TopicInventory;
  readonly archives: Archives;
  readonly measures: Measures;
}

/** Where it waits to take over. */
export interface StandbyWorld extends World {
  readonly facts: StandbyFacts;
  readonly clusters: Pick<Clusters, 'find' | 'addInstance'>;
  readonly globalDatabases: GlobalDatabases;
  readonly dns: Dns;
  readonly fleets: Fleets;
}

/**
 * What an operation may change. `look`: nothing. `note`: documents and announcements. `copy`: clusters
 * that are copies, made for the purpose and named so. `archive`: files in the bucket for them.
 * `takeover`: what serves; it is done only in an execution that a person approved.
 */
export type Effect = 'look' | 'note' | 'copy' | 'archive' | 'takeover';

export interface OperationCall {
  readonly executionId: string;
  /** The same for every attempt. */
  readonly idempotencyKey: string;
}

export interface Operation<W extends World> {
  readonly about: string;
  readonly effect: Effect;
  readonly parameters: TObject;
  /** Throws `OperationFailure`. May be repeated at any time, also when it was done already. */
  perform(world: W, parameters: never, call: OperationCall): Promise<Json>;
}

export interface Catalog<W extends World> {
  readonly [name: string]: Operation<W>;
}

/** Makes operations of a world; parameters are of their schema's type inside. */
export function operationsOf<W extends World>() {
  return <P extends TProperties>(spec: {
    readonly about: string;
    readonly effect: Effect;
    readonly parameters: P;
    readonly perform: (
      world: W,
      parameters: Static<TObject<P>>,
      call: OperationCall,
    ) => Promise<Json>;
  }): Operation<W> => ({
    about: spec.about,
    effect: spec.effect,
    parameters: Type.Object(spec.parameters, { additionalProperties: false }),
    perform: spec.perform,
  });
}
