import { PolicyStatement, type Role } from 'aws-cdk-lib/aws-iam';
import { CAPABILITIES, type Capability } from '#config/capabilities.ts';
import { PROGRAMS, type ProgramName } from '#config/functions.ts';
import { acknowledge, spelled } from './acknowledge.ts';

/** Gives a role one capability on the resources that this deployment made. */
export type Grant = (role: Role) => void;

/** For what is reached over the network alone: its group lets it out, and IAM has no permission to give. */
export const reachable: Grant = () => undefined;

export type CapabilityOf<Name extends ProgramName> = (typeof PROGRAMS)[Name]['can'][number];

/** A grant for everything a program may do: one that is forgotten does not compile. */
export type GrantsOf<Name extends ProgramName> = {
  readonly [C in CapabilityOf<Name>]: Grant;
};

/** Gives `role` what the registry says that the program may do, and nothing else. */
export function grantAll<Name extends ProgramName>(
  name: Name,
  role: Role,
  grants: GrantsOf<Name>,
): void {
  const all: { readonly [C in Capability]?: Grant } = grants;
  // A program made of parts may name a capability twice.
  for (const capability of new Set<Capability>(PROGRAMS[name].can)) all[capability]?.(role);
}

export interface Allowance {
  readonly sid: string;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Why a resource holds a star, where one does. */
  readonly star?: string;
}

/** One statement of a role's policy. Actions are written out; resources may hold a star with a reason. */
export function allow(role: Role, { sid, actions, resources, conditions, star }: Allowance): void {
  role.addToPrincipalPolicy(
    new PolicyStatement({
      sid,
      actions: [...actions],
      resources: [...resources],
      ...(conditions === undefined ? {} : { conditions }),
    }),
  );
  if (star === undefined) return;
  for (const resource of resources.filter((each) => each.includes('*'))) {
    acknowledge(role, `AwsSolutions-IAM5[Resource::${spelled(role, resource)}]`, star);
  }
}

/** The actions that the code behind a capability calls. */
export function actionsOf(capability: Capability): readonly string[] {
  return CAPABILITIES[capability].actions;
}

/** A statement id out of the name of a capability: `states:run` is `StatesRun`. */
export function sidOf(capability: string): string {
  return capability
    .split(/[^a-z]+/)
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}
