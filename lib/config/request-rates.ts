import type { StageSettings } from './stage-settings.ts';

/** What keeps the API of a stage from more than it takes. */
export interface RequestRates {
  /** Requests a second, for as long as it may be: the rate at which API Gateway fills its bucket. */
  readonly perSecond: number;
  /** Requests at once: the size of that bucket. */
  readonly atOnce: number;
  /** Requests from one address in `ADDRESS_SECONDS`, beyond which the firewall blocks it. */
  readonly perAddress: number;
}

/**
 * Half of a second at the peak. AWS sets the burst of an account by its rate, and gives 5,000 beside
 * 10,000: what stands in that relation is had by asking for the rate alone.
 */
const BURST_SECONDS = 0.5;
/** Of what the API takes for hours: what one address may have of it, minute after minute. */
const ADDRESS_SHARE = 0.1;
/** Over which the firewall counts. */
export const ADDRESS_SECONDS = 300;

/**
 * Every limit of the API by which requests are counted, from the two figures of its stage. The gateway
 * lets the peak through: it lasts for minutes, and a bucket that fills at the sustained rate would be
 * empty after a second of it.
 */
export function requestRates({ api: { requests } }: Pick<StageSettings, 'api'>): RequestRates {
  return {
    perSecond: requests.peak,
    atOnce: Math.ceil(requests.peak * BURST_SECONDS),
    perAddress: Math.ceil(requests.sustained * ADDRESS_SHARE * ADDRESS_SECONDS),
  };
}
