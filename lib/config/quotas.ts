import { functionNames, functionSpec } from './functions.ts';
import { requestRates } from './request-rates.ts';
import { regionsOf, type StageSettings } from './stage-settings.ts';

/**
 * What an account must allow before a stage is deployed to it: quotas of AWS by their codes, as Service
 * Quotas knows them. New accounts have far less than AWS's defaults (10 functions at a time, 6 vCPUs).
 */
export interface QuotaNeed {
  /** Quotas are had region by region, and take hours to days: the region that waits has its own before it is needed. */
  readonly region: string;
  readonly service: string;
  /** Null: AWS documents none, and it is found by its name. */
  readonly code: string | null;
  readonly name: string;
  readonly about: string;
  /** Below it the stage does not do what it says. */
  readonly needed: number;
  /** False: AWS sets it by another quota, so that one is asked for instead. */
  readonly canBeAskedFor: boolean;
}

/** Machines started a second at the peak; what asked for `auto` beyond it runs on the engine. */
const PEAK_STARTS = { dev: 10, staging: 50, prod: 300 } as const;
/** AWS keeps so many for functions that reserve none. */
const UNRESERVED = 100;
/** A request is in a function of the API for so long. */
const REQUEST_SECONDS = 0.04;
/** New tasks stand before old ones drain. */
const DURING_A_DEPLOYMENT = 2;

/** In every region that the stage is deployed to, the same: whichever serves has the whole load. */
export function quotaNeeds(settings: StageSettings): readonly QuotaNeed[] {
  const needs = needsOf(settings);
  return regionsOf(settings).flatMap((region) => needs.map((need) => ({ region, ...need })));
}

function needsOf(settings: StageSettings): readonly Omit<QuotaNeed, 'region'>[] {
  const { stage, engine, network } = settings;
  const { sustained, peak } = settings.api.requests;
  const { perSecond, atOnce } = requestRates(settings);
  const reserved = functionNames
    .map((name) => functionSpec(name).reservedConcurrency ?? 0)
    .reduce((sum, each) => sum + each, 0);
  const cores = (engine.maxTasks * DURING_A_DEPLOYMENT * engine.cpu) / 1_024;
  return [
    {
      service: 'apigateway',
      code: 'L-8A5B8E43',
      name: 'Throttle rate',
      about: `requests of the API a second: ${count(sustained)} sustained, ${count(peak)} at the peak`,
      needed: perSecond,
      canBeAskedFor: true,
    },
    {
      service: 'apigateway',
      code: 'L-CDF5615A',
      name: 'Throttle burst rate',
      about: 'requests of the API at once; AWS sets it by the rate',
      needed: atOnce,
      canBeAskedFor: false,
    },
    {
      service: 'lambda',
      code: 'L-B99A9384',
      name: 'Concurrent executions',
      about: `functions at a time: ${reserved} that are reserved, ${UNRESERVED} that AWS keeps, the API at its peak`,
      needed: reserved + Math.max(UNRESERVED, Math.ceil(peak * REQUEST_SECONDS)),
      canBeAskedFor: true,
    },
    {
      service: 'fargate',
      code: engine.spot ? 'L-36FBB829' : 'L-3032A538',
      name: `Fargate ${engine.spot ? 'Spot' : 'On-Demand'} vCPU resource count`,
      about: `vCPUs of the engine: ${engine.maxTasks} tasks, twice while a deployment replaces them`,
      needed: Math.ceil(cores),
      canBeAskedFor: true,
    },
    {
      service: 'ec2',
      code: 'L-0263D0A3',
      name: 'EC2-VPC Elastic IPs',
      about: 'public addresses of NAT gateways',
      needed: network.natGateways,
      canBeAskedFor: true,
    },
    {
      service: 'states',
      code: null,
      name: 'StartExecution throttle token refill rate per second',
      about: 'machines started a second at the peak',
      needed: PEAK_STARTS[stage],
      canBeAskedFor: true,
    },
  ];
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
