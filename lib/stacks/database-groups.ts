/** What IAM asks about besides clusters and instances when RDS makes them: `rds` is `arn:aws:rds:region:account`. */
export const MAKE_INSTANCE = 'rds:CreateDBInstance';

/** Options that clusters have of which nobody says any: AWS names them by the version. */
export function defaultOptions(rds: string): string {
  return `${rds}:og:default:aurora-postgresql-*`;
}

/** Of an instance for which no group is named: the subnets are those of its cluster. */
export function groupsOfInstances(rds: string, subnetGroup: string): readonly string[] {
  return [
    defaultOptions(rds),
    `${rds}:pg:default.aurora-postgresql*`,
    `${rds}:subgrp:${subnetGroup}`,
  ];
}
