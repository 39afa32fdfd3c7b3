/**
 * Buckets of the platform: what a deployment makes, and how what is in them ages. Days count from when an
 * object was written.
 */
export interface BucketSpec {
  readonly about: string;
  /** What programs may be allowed to do with its objects. */
  readonly uses: readonly BucketUse[];
  /** Nobody, the account's owner included, deletes or replaces an object before it has been kept. */
  readonly locked: boolean;
  /** To storage that answers in hours and costs a sixth; null: never. */
  readonly coldAfterDays: number | null;
  /** To storage that answers in half a day and costs a twentieth. */
  readonly deepAfterDays: number | null;
  readonly keptDays: number;
  /** Every object also lies in the region that waits, where a stage has one, and ages there as here. */
  readonly copied: boolean;
}

export type BucketUse = 'write' | 'read' | 'delete';

const SEVEN_YEARS = 7 * 365 + 2;

export const BUCKETS = {
  audit: {
    about: 'who did what',
    uses: ['write', 'read'],
    locked: true,
    coldAfterDays: 90,
    deepAfterDays: 365,
    keptDays: SEVEN_YEARS,
    copied: true,
  },
  archive: {
    about: 'executions that have left the database',
    uses: ['write', 'read', 'delete'],
    locked: false,
    coldAfterDays: 30,
    deepAfterDays: 365,
    keptDays: SEVEN_YEARS,
    copied: true,
  },
  snapshots: {
    about: 'the database as it was, month by month, in files that need no database',
    uses: [],
    locked: false,
    coldAfterDays: null,
    deepAfterDays: 1,
    keptDays: SEVEN_YEARS,
    copied: false,
  },
  exports: {
    about: 'what tenants and operators asked to have written out',
    uses: ['write', 'read', 'delete'],
    locked: false,
    coldAfterDays: null,
    deepAfterDays: null,
    keptDays: 30,
    copied: false,
  },
  logs: {
    about: 'what programs logged, after their groups have forgotten it',
    uses: [],
    locked: false,
    coldAfterDays: 90,
    deepAfterDays: null,
    keptDays: 400,
    copied: false,
  },
} as const satisfies Record<string, BucketSpec>;

export type BucketName = keyof typeof BUCKETS;
export const bucketNames = Object.keys(BUCKETS) as BucketName[];
/** What a lost region must not take with it, and cannot be made again. */
export const copiedBuckets = bucketNames.filter((name) => BUCKETS[name].copied);
/** The rest: where another region is taken over they begin empty. */
export const ownBuckets = bucketNames.filter((name) => !BUCKETS[name].copied);
/** What S3 measures the copying of a bucket by. */
export const COPY_RULE = 'standby';

interface Owner {
  readonly stage: string;
  readonly account: string;
}
type AnyBucket = BucketName | 'access-log' | 'own-access-log';

const named = ({ stage, account }: Owner, name: AnyBucket): string =>
  `cloudflow-${stage}-${name}-${account}`;

/**
 * Names of buckets are one namespace for the whole world, so each ends in the account; and in its region
 * where that has taken over from another, whose names go on being taken.
 */
export function bucketNameOf(
  owner: Owner & { readonly region: string; readonly takesOver: string | null },
  name: AnyBucket,
): string {
  return owner.takesOver === null ? named(owner, name) : copyNameOf(owner, name, owner.region);
}

/** Of the copy in another region: known to both without asking. */
export function copyNameOf(owner: Owner, name: AnyBucket, region: string): string {
  return `${named(owner, name)}-${region}`;
}
