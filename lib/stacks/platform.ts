import type { Construct } from 'constructs';
import type { FunctionName } from '#config/functions.ts';
import type { StageSettings } from '#config/stage-settings.ts';
import { protectLogs } from '#constructs/log-protection.ts';
import { ServiceFunction, type Surroundings } from '#constructs/service-function.ts';
import { AdoptedNetworkStack } from './adopted-network-stack.ts';
import { ApiStack } from './api-stack.ts';
import { ConsumersStack } from './consumers-stack.ts';
import { DataStack } from './data-stack.ts';
import { EngineStack } from './engine-stack.ts';
import { EventsStack } from './events-stack.ts';
import type { Identity } from './identity.ts';
import { IdentityStack } from './identity-stack.ts';
import { LogArchiveStack } from './log-archive-stack.ts';
import { type Network, NetworkStack } from './network-stack.ts';
import { NotificationsStack } from './notifications-stack.ts';
import { ObservabilityStack } from './observability-stack.ts';
import { ProbeStack } from './probe-stack.ts';
import { RealtimeStack } from './realtime-stack.ts';
import { RecoveryStack } from './recovery-stack.ts';
import { RoutesStack } from './routes-stack.ts';
import { ScheduleStack } from './schedule-stack.ts';
import { SchemaStack } from './schema-stack.ts';
import { StandbyKeysStack } from './standby-keys-stack.ts';
import { StandbyStack } from './standby-stack.ts';
import { StandbyStoresStack } from './standby-stores-stack.ts';
import { StoresStack } from './stores-stack.ts';
import { WorkflowsStack } from './workflows-stack.ts';

/**
 * All stacks of one stage, each given what it needs of those before it. Where a lost region is taken over,
 * what waits is told by its names, and stacks that hold nothing are the same.
 */
export function buildPlatform(scope: Construct, settings: StageSettings, dist: string): void {
  if (settings.takesOver !== null) {
    const network = new AdoptedNetworkStack(scope, settings);
    const { identity } = network;
    const data = new DataStack(scope, settings, { identity, network });
    const events = makeEvents(scope, settings, { identity, network });
    const stores = new StoresStack(scope, settings, { identity });
    buildPrograms(scope, settings, dist, { identity, network, data, events, stores, waits: null });
    return;
  }
  const identity = new IdentityStack(scope, settings);
  const network = new NetworkStack(scope, settings, identity.logKey);
  const data = new DataStack(scope, settings, { identity, network });
  const events = makeEvents(scope, settings, { identity, network });
  const stores = new StoresStack(scope, settings, { identity });
  let waits: StandbyStack | null = null;
  if (settings.standby !== null) {
    // A copy of the table is made there as soon as the table is.
    const keys = new StandbyKeysStack(scope, settings, settings.standby);
    stores.addStackDependency(keys);
    // So is a copy of a secret, and of a bucket's objects.
    identity.addStackDependency(keys);
    stores.addStackDependency(
      new StandbyStoresStack(scope, settings, settings.standby, { identity, keys }),
    );
    waits = new StandbyStack(scope, settings, settings.standby, dist);
    // Its database follows one that is there, and is sealed with a key of its region.
    waits.addStackDependency(keys);
    waits.addStackDependency(data);
  }
  buildPrograms(scope, settings, dist, { identity, network, data, events, stores, waits });
}

function makeEvents(
  scope: Construct,
  settings: StageSettings,
  around: { readonly identity: Identity; readonly network: Network },
): EventsStack | null {
  const { events: kafka } = settings;
  return kafka === null ? null : new EventsStack(scope, settings, { ...around, kafka });
}

interface Ground {
  readonly identity: Identity;
  readonly network: Network;
  readonly data: DataStack;
  /** Null: the stage has no Kafka. */
  readonly events: EventsStack | null;
  readonly stores: StoresStack;
  /** Null: no region waits. */
  readonly waits: StandbyStack | null;
}

/** What stands on data, whoever made that: it holds nothing itself. */
function buildPrograms(
  scope: Construct,
  settings: StageSettings,
  dist: string,
  { identity, network, data, events, stores, waits }: Ground,
): void {
  const notifications = new NotificationsStack(scope, settings);
  const around: Surroundings = {
    settings,
    dist,
    logKey: identity.logKey,
    vpc: network.vpc,
    insideGroup: network.insideGroup,
    outsideGroup: network.outsideGroup,
  };
  const schema = new SchemaStack(scope, settings, { around, data, events, identity });
  const api = new ApiStack(scope, settings, { around, data, events, stores, identity });
  const routes = new RoutesStack(scope, settings, { around, api });
  const realtime = new RealtimeStack(scope, settings, { around, data, stores, api });
  const workflows = new WorkflowsStack(scope, settings, { around, data, identity, api });
  const engine = new EngineStack(scope, settings, {
    around,
    data,
    identity,
    api,
    events,
    notifications,
  });
  const consumers = new ConsumersStack(scope, settings, {
    around,
    data,
    events,
    identity,
    api,
    notifications,
  });
  const recovery = new RecoveryStack(scope, settings, { around, identity, data, events });
  const observability = new ObservabilityStack(scope, settings, {
    around,
    data,
    identity,
    stores,
    realtime,
    events,
  });
  // A rehearsal is stopped by an alarm, which must be there.
  if (settings.rehearses) recovery.addStackDependency(observability);
  // No program of the new version runs before the schema has gone forward.
  for (const stack of [
    api,
    routes,
    realtime,
    workflows,
    engine,
    consumers,
    recovery,
    observability,
  ]) {
    stack.addStackDependency(schema);
  }
  if (settings.standby !== null && waits !== null) {
    new ProbeStack(scope, settings, settings.standby, { waits, api });
  }
  const programs = scope.node
    .findAll()
    .filter((each): each is ServiceFunction<FunctionName> => each instanceof ServiceFunction);
  new ScheduleStack(scope, settings, programs);
  protectLogs(scope, settings);
  new LogArchiveStack(scope, settings, { identity, stores });
}
