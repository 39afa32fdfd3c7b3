import { type EventSettings, problemOfEvents } from './brokers.ts';
import { problemOfSettings } from './stage-problems.ts';
import { readStage, STAGES, type Stage } from './stages.ts';

/**
 * What differs from stage to stage, and nothing else: what is the same everywhere stands in the
 * constructs and stacks. Read only by deploy code.
 *
 *  T1 prod loses nothing by mistake: it retains, protects, spans three zones and has a firewall.
 *  T2 a stage is deployed to the account it names, never to whichever account the shell is logged in to.
 */
export interface StageSettings {
  readonly stage: Stage;
  readonly account: string;
  readonly region: string;
  readonly zones: readonly string[];
  /** Where copies wait to take over when the region is lost; null: nowhere. */
  readonly standby: StandbySettings | null;
  /** The region that was lost, whose copies this one takes instead of making its own; null: it makes them. */
  readonly takesOver: string | null;
  /** Data and keys outlive their stack, and stacks refuse to be deleted. */
  readonly retain: boolean;
  /** What is locked for years cannot be deleted before, by anybody, and is paid for as long. */
  readonly lockAudit: boolean;
  readonly logDays: 7 | 30 | 90;
  readonly network: {
    readonly cidr: string;
    readonly natGateways: number;
    /** Calls to AWS stay inside the network. */
    readonly interfaceEndpoints: boolean;
  };
  readonly database: {
    readonly capacity:
      | {
          readonly kind: 'serverless';
          readonly minUnits: number;
          readonly maxUnits: number;
        }
      | { readonly kind: 'provisioned'; readonly instance: string };
    readonly readers: number;
    /** Log-ins go through RDS Proxy. It keeps the cluster awake and costs as much as a small one. */
    readonly proxy: boolean;
    readonly backupDays: number;
  };
  /** Nothing lives there alone: what it loses is asked of the database again. */
  readonly cache: {
    readonly node: string;
    readonly shards: number;
    /** Copies of each shard, in other zones; with none, a lost node takes its part with it. */
    readonly replicas: number;
  };
  /**
   * Null: there is no Kafka. Events stay in the log of the database, and whoever runs the engine reads them
   * there, as on a laptop.
   */
  readonly events: EventSettings | null;
  /** Every chart is on one dashboard, and not on one for each service: each is paid for. */
  readonly oneDashboard: boolean;
  readonly engine: {
    readonly cpu: number;
    readonly memoryMb: number;
    readonly minTasks: number;
    readonly maxTasks: number;
    /** Cheaper, and taken away at two minutes' notice. */
    readonly spot: boolean;
  };
  readonly api: {
    /** Null: the address that API Gateway gives. */
    readonly domain: { readonly name: string; readonly certificateArn: string } | null;
    readonly allowedOrigins: readonly string[];
    /** A second: for hours, and for minutes. Every limit by which requests are counted follows from them. */
    readonly requests: { readonly sustained: number; readonly peak: number };
    readonly firewall: boolean;
  };
  /** What mail of the platform is sent from; null: the stage sends none. */
  readonly mail: MailSettings | null;
  /** Who is woken. */
  readonly alerts: {
    /**
     * Name of a secret whose JSON has the HTTPS address of a service of PagerDuty under each of P1, P2
     * and P3. Null: nobody is called; people subscribe to the topics themselves.
     */
    readonly pagerDutySecret: string | null;
  };
  /** Disasters are rehearsed by the clock: backups restored, a zone cut off. */
  readonly rehearses: boolean;
  /** Instances kept warm of each function that asks for it. */
  readonly warmInstances: number;
  readonly preferredRuntime: 'engine' | 'step_functions';
}

export interface StandbySettings {
  readonly region: string;
  readonly zones: readonly string[];
  /** Of the network there: no other of ours, for the two may be joined. */
  readonly cidr: string;
  /** Where the name of the API is kept, and its certificate there; null: nobody switches it for us. */
  readonly api: { readonly hostedZoneId: string; readonly certificateArn: string } | null;
  /** The service of ECS that waits there without a task; null: none does. */
  readonly engine: { readonly cluster: string; readonly service: string } | null;
}

export interface MailSettings {
  /** Mail is from addresses of this domain, which is ours to write records for. */
  readonly domain: string;
  /** Of the domain, where Route 53 keeps it: records are made there. Null: a person makes them elsewhere. */
  readonly hostedZoneId: string | null;
  /** Addresses that nobody shares, which AWS warms up and adds to as mail grows. */
  readonly ownAddresses: boolean;
}

/** Every region that a stage is deployed to: first where it serves. */
export function regionsOf({
  region,
  standby,
}: Pick<StageSettings, 'region' | 'standby'>): readonly string[] {
  return standby === null ? [region] : [region, standby.region];
}

type Shape = Omit<StageSettings, 'stage' | 'account' | 'takesOver'>;

const REGION = 'us-east-1';
const STANDBY_REGION = 'us-west-2';

const SHAPES: { readonly [S in Stage]: Shape } = {
  dev: {
    region: REGION,
    zones: zonesOf(REGION, 2),
    standby: null,
    retain: false,
    lockAudit: false,
    logDays: 7,
    network: { cidr: '10.10.0.0/16', natGateways: 1, interfaceEndpoints: false },
    database: {
      capacity: { kind: 'serverless', minUnits: 0.5, maxUnits: 4 },
      readers: 0,
      proxy: false,
      backupDays: 7,
    },
    cache: { node: 'cache.t4g.micro', shards: 1, replicas: 0 },
    // Two brokers, for MSK has no cluster of one zone, and pollers of Lambda would be more than all the rest.
    events: null,
    oneDashboard: true,
    engine: { cpu: 1_024, memoryMb: 2_048, minTasks: 1, maxTasks: 2, spot: true },
    api: {
      domain: null,
      allowedOrigins: [],
      requests: { sustained: 100, peak: 250 },
      firewall: false,
    },
    mail: null,
    alerts: { pagerDutySecret: null },
    rehearses: false,
    warmInstances: 0,
    preferredRuntime: 'step_functions',
  },
  staging: {
    region: REGION,
    zones: zonesOf(REGION, 3),
    standby: null,
    retain: false,
    lockAudit: false,
    logDays: 30,
    network: { cidr: '10.20.0.0/16', natGateways: 1, interfaceEndpoints: false },
    database: {
      capacity: { kind: 'serverless', minUnits: 2, maxUnits: 16 },
      readers: 1,
      proxy: true,
      backupDays: 14,
    },
    cache: { node: 'cache.t4g.medium', shards: 1, replicas: 1 },
    events: {
      broker: 'kafka.m7g.large',
      brokers: 3,
      storage: { gigabytes: 100, maxGigabytes: 1_000 },
      maxPartitions: 256,
      maxPollers: 4,
    },
    oneDashboard: false,
    engine: { cpu: 2_048, memoryMb: 4_096, minTasks: 2, maxTasks: 4, spot: true },
    api: {
      domain: null,
      allowedOrigins: [],
      requests: { sustained: 1_000, peak: 2_500 },
      firewall: true,
    },
    mail: { domain: 'staging.cloudflow.com', hostedZoneId: null, ownAddresses: false },
    alerts: { pagerDutySecret: null },
    rehearses: true,
    warmInstances: 1,
    preferredRuntime: 'step_functions',
  },
  prod: {
    region: REGION,
    zones: zonesOf(REGION, 3),
    standby: {
      region: STANDBY_REGION,
      zones: zonesOf(STANDBY_REGION, 3),
      cidr: '10.31.0.0/16',
      api: null,
      engine: null,
    },
    retain: true,
    lockAudit: true,
    logDays: 90,
    network: { cidr: '10.30.0.0/16', natGateways: 3, interfaceEndpoints: true },
    database: {
      capacity: { kind: 'provisioned', instance: 'r7g.2xlarge' },
      readers: 2,
      proxy: true,
      backupDays: 30,
    },
    cache: { node: 'cache.r7g.xlarge', shards: 3, replicas: 1 },
    events: {
      broker: 'express.m7g.large',
      brokers: 3,
      storage: null,
      maxPartitions: 256,
      maxPollers: 20,
    },
    oneDashboard: false,
    engine: { cpu: 4_096, memoryMb: 8_192, minTasks: 12, maxTasks: 24, spot: false },
    api: {
      domain: null,
      allowedOrigins: [],
      requests: { sustained: 10_000, peak: 25_000 },
      firewall: true,
    },
    mail: { domain: 'cloudflow.com', hostedZoneId: null, ownAddresses: true },
    alerts: { pagerDutySecret: null },
    rehearses: true,
    warmInstances: 5,
    preferredRuntime: 'step_functions',
  },
};

/** Good for looking at templates; credentials never belong to it, so nothing is deployed by mistake. */
export const PLACEHOLDER_ACCOUNT = '111111111111';

/** Where the account of a stage is named, besides the context key `account`. */
export function accountVariable(stage: Stage): string {
  return `CLOUDFLOW_${stage.toUpperCase()}_ACCOUNT`;
}

/** What `-c region=` may be: where the stage serves, or where it waits to. */
export const PLACES = ['home', 'standby'] as const;

/**
 * Settings of the stage that was asked for. Throws a sentence that says what to change.
 *
 * `region`: `standby` where its own is lost, and the other takes what waits there.
 */
export function readStageSettings(
  given: { readonly stage: unknown; readonly account: unknown; readonly region?: unknown },
  environment: Readonly<Record<string, string | undefined>>,
): StageSettings {
  if (given.stage === undefined) {
    throw new TypeError(`no stage was given; add -c stage= with one of ${STAGES.join(', ')}`);
  }
  const stage = readStage(given.stage);
  const account = given.account ?? environment[accountVariable(stage)] ?? PLACEHOLDER_ACCOUNT;
  if (typeof account !== 'string' || !/^\d{12}$/.test(account)) {
    throw new TypeError(
      `the account is ${JSON.stringify(account)}; write its 12 digits as -c account= or ${accountVariable(stage)}`,
    );
  }
  const settings = { stage, account, takesOver: null, ...SHAPES[stage] };
  const problem = problemOfSettings(settings) ?? problemOf(settings);
  if (problem !== null) throw new TypeError(`stage ${stage}: ${problem}`);
  const place = PLACES.find((each) => each === (given.region ?? 'home'));
  if (place === undefined) {
    throw new TypeError(
      `the region is ${JSON.stringify(given.region)}; use one of ${PLACES.join(', ')}: which they are stands in the settings of the stage`,
    );
  }
  return place === 'home' ? settings : takeOver(settings);
}

/**
 * The stage where it waited, after its own region was lost. It is as large as it was, copies nothing
 * elsewhere and rehearses nothing. Throws a sentence where nothing waits.
 */
export function takeOver(home: StageSettings): StageSettings {
  const { stage, standby, api, mail } = home;
  if (standby === null) {
    throw new TypeError(
      `stage ${stage}: no region waits to take over; leave -c region=standby out, or set standby`,
    );
  }
  if (api.domain !== null && standby.api === null) {
    throw new TypeError(
      `stage ${stage}: its API is called ${api.domain.name}, and nothing says where that name is kept; set standby.api`,
    );
  }
  return {
    ...home,
    region: standby.region,
    zones: standby.zones,
    standby: null,
    takesOver: home.region,
    network: { ...home.network, cidr: standby.cidr },
    api: {
      ...api,
      domain:
        api.domain === null || standby.api === null
          ? null
          : { name: api.domain.name, certificateArn: standby.api.certificateArn },
    },
    // Its records are those of the lost region, made by stacks that nobody can ask.
    mail: mail === null ? null : { ...mail, hostedZoneId: null },
    rehearses: false,
  };
}

/** Why no platform can be made of these settings; null when one can. */
export function problemOf(settings: StageSettings): string | null {
  const {
    stage,
    region,
    zones,
    standby,
    retain,
    lockAudit,
    network,
    database,
    events,
    engine,
    api,
    mail,
  } = settings;
  if (zones.length < 2) return `it has ${zones.length} zones; Aurora needs at least 2`;
  if (network.natGateways < 1 || network.natGateways > zones.length) {
    return `it has ${network.natGateways} NAT gateways; use 1 to ${zones.length}, the number of zones`;
  }
  if (engine.minTasks < 1 || engine.minTasks > engine.maxTasks) {
    return `the engine has ${engine.minTasks} to ${engine.maxTasks} tasks; use at least 1, and no more at least than at most`;
  }
  const { capacity } = database;
  if (capacity.kind === 'serverless' && capacity.minUnits > capacity.maxUnits) {
    return `the database has ${capacity.minUnits} to ${capacity.maxUnits} units; use no more at least than at most`;
  }
  if (capacity.kind === 'serverless' && capacity.minUnits < 0.5) {
    return `the database has ${capacity.minUnits} units at least; use 0.5 or more, for schedules look into it every minute and it would never sleep`;
  }
  const eventsProblem = events === null ? null : problemOfEvents(events, zones.length);
  if (eventsProblem !== null) return eventsProblem;
  if (api.allowedOrigins.some((origin) => !/^https:\/\/[^/\s,]+$/.test(origin))) {
    return `allowed origins are ${api.allowedOrigins.join(', ')}; write each as https://host`;
  }
  if (mail !== null && !/^([a-z0-9-]+\.)+[a-z]{2,}$/.test(mail.domain)) {
    return `mail is from ${mail.domain}; write the domain alone, in small letters, as mail.example.com`;
  }
  const { pagerDutySecret } = settings.alerts;
  if (pagerDutySecret !== null && !/^[A-Za-z0-9/_+=.@-]{1,256}$/.test(pagerDutySecret)) {
    return `alerts.pagerDutySecret is ${JSON.stringify(pagerDutySecret)}; write the name of a secret, not the address that it holds`;
  }
  if (api.requests.peak < api.requests.sustained) {
    return `its API takes ${api.requests.sustained} requests a second for hours and ${api.requests.peak} at the peak; use a peak that is no less`;
  }
  if (stage !== 'prod') return null;
  if (!retain) return 'it does not retain its data; set retain';
  if (!lockAudit) return 'its audit trail could be deleted; set lockAudit';
  if (standby === null) return 'it has no standby region; set standby';
  if (standby.region === region) return `its standby region is ${region} itself; use another`;
  if (standby.cidr === network.cidr) {
    return `its network is ${network.cidr} in both regions; use another for standby.cidr`;
  }
  if (zones.length < 3) return `it has ${zones.length} zones; use 3`;
  if (standby.zones.length !== zones.length) {
    return `it has ${zones.length} zones and ${standby.zones.length} in its standby region; use as many`;
  }
  if (database.readers < 1) return 'its database has no reader to fail over to; use at least 1';
  if (settings.cache.replicas < 1) return 'its cache has no copy to fail over to; use at least 1';
  if (events === null) return 'it has no Kafka; set events';
  if (!api.firewall) return 'its API has no firewall; set api.firewall';
  if (engine.spot) return 'its engine runs on spare capacity; clear engine.spot';
  if (!settings.rehearses) return 'nobody knows that its backups can be restored; set rehearses';
  return null;
}

function zonesOf(region: string, count: 2 | 3): readonly string[] {
  return ['a', 'b', 'c'].slice(0, count).map((letter) => `${region}${letter}`);
}
