import { SERIES_OF_AN_ALARM } from './signals.ts';
import type { StageSettings } from './stage-settings.ts';

/** Memory that Fargate gives beside so much CPU, from and to, in steps of `step`; all in MB. */
const FARGATE: Readonly<
  Record<number, { readonly from: number; readonly to: number; step: number }>
> = {
  512: { from: 1_024, to: 4_096, step: 1_024 },
  1024: { from: 2_048, to: 8_192, step: 1_024 },
  2048: { from: 4_096, to: 16_384, step: 1_024 },
  4096: { from: 8_192, to: 30_720, step: 1_024 },
  8192: { from: 16_384, to: 61_440, step: 4_096 },
  16384: { from: 32_768, to: 122_880, step: 8_192 },
};
const REGION = /^[a-z]{2}(?:-[a-z]+)+-\d$/;
/** A private /16 of its own, which holds the subnets of three zones. */
const CIDR = /^(?:10\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])|192\.168)\.0\.0\/16$/;
const HOST = /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;
/** Memory-optimised Graviton or Intel, as Aurora knows them. */
const INSTANCE = /^(?:r[5-8][a-z]*|x2[a-z]+)\.(?:\d*x?large)$/;
/** Of ElastiCache, on Graviton. */
const CACHE_NODE = /^cache\.(?:t4g\.(?:micro|small|medium)|[mr][6-8]g\.(?:\d*x?large))$/;

type Check = (settings: StageSettings) => string | null;

const whole = (about: string, given: number, from: number, to: number): string | null =>
  Number.isInteger(given) && given >= from && given <= to
    ? null
    : `${about} is ${given}; use a whole number from ${from} to ${to}`;

/** Of each setting by itself, what AWS would refuse minutes into a deployment. */
const CHECKS: readonly Check[] = [
  ({ region }) =>
    REGION.test(region) ? null : `its region is ${JSON.stringify(region)}; write it as us-east-1`,
  ({ region, zones }) => {
    const strange = zones.find((zone) => !new RegExp(`^${region}[a-z]$`).test(zone));
    if (strange !== undefined) {
      return `its zone ${strange} is not in ${region}; use ${region}a and its like`;
    }
    return new Set(zones).size === zones.length ? null : `it names a zone twice: ${zones.join()}`;
  },
  ({ network: { cidr } }) =>
    CIDR.test(cidr) ? null : `its network is ${cidr}; use a private /16 such as 10.10.0.0/16`,
  ({ standby }) =>
    standby === null || CIDR.test(standby.cidr)
      ? null
      : `its network in the standby region is ${standby.cidr}; use a private /16 such as 10.31.0.0/16`,
  ({ database: { backupDays } }) => whole('backups are kept for days, which', backupDays, 1, 35),
  ({ database: { readers } }) => whole('the number of readers', readers, 0, 15),
  ({ database: { capacity } }) => {
    if (capacity.kind === 'provisioned') {
      return INSTANCE.test(capacity.instance)
        ? null
        : `its database runs on ${capacity.instance}; use an instance of Aurora such as r7g.2xlarge`;
    }
    const { minUnits, maxUnits } = capacity;
    const odd = [minUnits, maxUnits].find((units) => units > 256 || !Number.isInteger(2 * units));
    return odd === undefined
      ? null
      : `its database has ${odd} units; use halves and wholes up to 256`;
  },
  ({ cache: { node } }) =>
    CACHE_NODE.test(node)
      ? null
      : `its cache runs on ${node}; use a node of ElastiCache such as cache.r7g.xlarge`,
  ({ cache: { replicas } }) => whole('the number of copies of a shard', replicas, 0, 5),
  ({ cache: { shards, replicas } }) =>
    whole(
      'the number of shards of the cache',
      shards,
      1,
      Math.floor(SERIES_OF_AN_ALARM / (1 + Math.max(0, replicas))),
    ),
  ({ engine: { cpu, memoryMb } }) => {
    const fits = FARGATE[cpu];
    if (fits === undefined) {
      return `a task of the engine has a CPU of ${cpu}; use one of ${Object.keys(FARGATE).join(', ')}`;
    }
    const { from, to, step } = fits;
    return memoryMb >= from && memoryMb <= to && (memoryMb - from) % step === 0
      ? null
      : `a task of the engine has ${memoryMb} MB beside a CPU of ${cpu}; use ${from} to ${to} in steps of ${step}`;
  },
  ({ api: { requests } }) =>
    whole('the number of requests a second', requests.sustained, 1, 1_000_000),
  ({ api: { requests } }) =>
    whole('the number of requests a second at the peak', requests.peak, 1, 1_000_000),
  ({ api: { domain } }) =>
    domain === null || HOST.test(domain.name)
      ? null
      : `its domain is ${JSON.stringify(domain.name)}; write a host such as api.example.com`,
  ({ api: { domain }, region, account }) => {
    const wanted = `arn:aws:acm:${region}:${account}:certificate/`;
    return domain === null || domain.certificateArn.startsWith(wanted)
      ? null
      : `the certificate of its domain is ${domain.certificateArn}; use one of its own account and region, ${wanted}...`;
  },
  ({ standby, account }) => {
    if (standby === null || standby.api === null) return null;
    const { hostedZoneId, certificateArn } = standby.api;
    const wanted = `arn:aws:acm:${standby.region}:${account}:certificate/`;
    if (!certificateArn.startsWith(wanted)) {
      return `the certificate of its API in the standby region is ${certificateArn}; use one of its own account and of that region, ${wanted}...`;
    }
    return /^Z[A-Z0-9]{1,31}$/.test(hostedZoneId)
      ? null
      : `the zone of its name is ${JSON.stringify(hostedZoneId)}; use the id that Route 53 gave it, such as Z0123456789`;
  },
  ({ warmInstances }) => whole('the number of instances kept warm', warmInstances, 0, 1_000),
];

/** What no stage may be set to; null when nothing is wrong. */
export function problemOfSettings(settings: StageSettings): string | null {
  for (const check of CHECKS) {
    const problem = check(settings);
    if (problem !== null) return problem;
  }
  return null;
}

/**
 * Context keys of the app: what `-c` may name. `repository` adds the stack of the pipeline's role;
 * `region` asks for the stage where it takes over.
 */
export const CONTEXT_KEYS = ['stage', 'account', 'repository', 'region'] as const;

/** The repository that the pipeline runs in; null: none was given. Throws a sentence that says what to write. */
export function readRepository(given: unknown): string | null {
  if (given === undefined) return null;
  if (typeof given === 'string' && /^[A-Za-z0-9-]{1,39}\/[\w.-]{1,100}$/.test(given)) return given;
  throw new TypeError(
    `the repository is ${JSON.stringify(given)}; write it as GitHub does, -c repository=OWNER/NAME`,
  );
}

/** The same, where it can be deployed: nobody makes a role a second time. Throws a sentence. */
export function refuseRepository(
  repository: string | null,
  { takesOver }: Pick<StageSettings, 'takesOver'>,
): string | null {
  if (repository === null || takesOver === null) return repository;
  throw new TypeError(
    'the role of the pipeline is of the account, and there already; leave -c repository= out, or -c region=standby',
  );
}

/**
 * What is wrong with the names of context keys; null when nothing is. A mistyped key would be no more
 * than ignored. Keys of CDK itself all hold an `@` or a colon.
 */
export function problemOfContext(keys: readonly string[]): string | null {
  const known: readonly string[] = CONTEXT_KEYS;
  const strange = keys.find((key) => !/[@:]/.test(key) && !known.includes(key));
  if (strange === undefined) return null;
  const all = `-c ${strange}= is not known; use -c ${CONTEXT_KEYS.join('=, -c ')}=`;
  return `${all}; all else that a stage is stands in lib/config/stage-settings.ts`;
}
