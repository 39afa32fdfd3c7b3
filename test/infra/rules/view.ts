/** Templates read by names of the platform: what rules about them are written in. */
import { type FunctionName, functionNames } from '#config/functions.ts';
import type { Resource, Synthesised } from '../synth.ts';

/** What must hold of every stage: says in words what does not; nothing when all is well. */
export interface Rule {
  readonly name: string;
  problems(made: Synthesised): readonly string[];
}

export interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource?: unknown;
}

export const list = <T>(value: T | readonly T[]): readonly T[] =>
  Array.isArray(value) ? (value as readonly T[]) : [value as T];

/** Resources of one type with their ids: `Stack/LogicalId`. */
export function entriesOf(
  made: Synthesised,
  type: string,
): readonly (readonly [string, Resource])[] {
  return [...made.resources].filter(([, { Type }]) => Type === type);
}

/** Schedules of functions; those of machines and rehearsals are recovery's. */
export function clocksOf(made: Synthesised): readonly (readonly [string, Resource])[] {
  return entriesOf(made, 'AWS::Scheduler::Schedule').filter(([id]) => stackOf(id) === 'Schedule');
}

export const nameOf = ({ settings }: Synthesised, name: string): string =>
  `cloudflow-${settings.stage}-${name}`;

export function functionOf(made: Synthesised, name: FunctionName): Resource | undefined {
  return made
    .ofType('AWS::Lambda::Function')
    .find(({ Properties }) => Properties['FunctionName'] === nameOf(made, name));
}

export function engineTask(made: Synthesised): Resource | undefined {
  return made.ofType('AWS::ECS::TaskDefinition')[0];
}

/** The function behind an alias that `value` refers to, in the template of `stack`; null: none of ours. */
export function invokedBy(made: Synthesised, stack: string, value: unknown): FunctionName | null {
  const said = referred(made, stack, value);
  for (const [id, { Properties }] of entriesOf(made, 'AWS::Lambda::Alias')) {
    if (!said.includes(id)) continue;
    return calledBy(made, stackOf(id), Properties['FunctionName']);
  }
  return null;
}

/** The function that `value` refers to by itself. */
export function calledBy(made: Synthesised, stack: string, value: unknown): FunctionName | null {
  const called = referred(made, stack, value)
    .map((id) => made.resources.get(id))
    .find((resource) => resource?.Type === 'AWS::Lambda::Function')?.Properties['FunctionName'];
  return functionNames.find((name) => nameOf(made, name) === called) ?? null;
}

/**
 * Every resource that `value` refers to, as `Stack/LogicalId`: in its own template, told by another, or a
 * topic by its ARN.
 */
export function referred(made: Synthesised, stack: string, value: unknown): readonly string[] {
  const text = JSON.stringify(value ?? null);
  const own = [...text.matchAll(/"(?:Ref":"|Fn::GetAtt":\[")(\w+)"/g)].map(
    ([, id]) => `${stack}/${id}`,
  );
  const told = [
    ...text.matchAll(/"StackName":"cloudflow-\w+-(\w+)"[^}]*"OutputName":"(\w+)"/g),
  ].flatMap(([, area = '', output]) => {
    const id = `${area.charAt(0).toUpperCase()}${area.slice(1)}`;
    return referred(made, id, made.outputs.get(`${id}/${output}`));
  });
  const topics = [...text.matchAll(/"arn:aws:sns:[a-z0-9-]+:\d{12}:([\w-]+)"/g)].flatMap(
    ([, name]) =>
      entriesOf(made, 'AWS::SNS::Topic')
        .filter(([, { Properties }]) => Properties['TopicName'] === name)
        .map(([id]) => id),
  );
  return [...own, ...told, ...topics];
}

export const stackOf = (id: string): string => id.slice(0, id.indexOf('/'));

/** The role that a property refers to, as `Stack/LogicalId`. */
export function roleAt(stack: string, value: unknown): string {
  const [role] = (value as { 'Fn::GetAtt'?: readonly string[] })['Fn::GetAtt'] ?? [];
  return `${stack}/${role ?? '?'}`;
}

/** Everything that a role's own policies say. */
export function statementsOf(made: Synthesised, role: string): readonly Statement[] {
  return entriesOf(made, 'AWS::IAM::Policy')
    .filter(([id, { Properties }]) =>
      (Properties['Roles'] as readonly { Ref: string }[]).some(
        ({ Ref }) => `${stackOf(id)}/${Ref}` === role,
      ),
    )
    .flatMap(
      ([, { Properties }]) =>
        (Properties['PolicyDocument'] as { Statement: readonly Statement[] }).Statement,
    );
}
