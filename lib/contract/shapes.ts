import type { TSchema } from 'typebox';
import {
  DatabaseLogin,
  NamedParameters,
  ParameterSchema,
  PositionalParameters,
} from '#core/connections.ts';
import {
  AnyJson,
  ClientExecutionId,
  ErrorObject,
  Labels,
  Problem,
  ProblemDetails,
  Timestamp,
  Uuid,
  WorkflowId,
  WorkflowVersion,
} from './schemas/common.ts';
import { Auth, Connection, Operation, Spec } from './schemas/connections.ts';
import * as executions from './schemas/executions.ts';
import * as workflows from './schemas/workflows.ts';

/**
 * Schemas in words, for people. A schema with a name here is written out once and linked from
 * wherever it is used; schemas are told apart by their text, since the makers of TypeBox copy them.
 */
const SHAPES: Readonly<Record<string, TSchema>> = {
  WorkflowSummary: workflows.WorkflowSummary,
  Workflow: workflows.Workflow,
  VersionSummary: workflows.VersionSummary,
  Version: workflows.Version,
  StoredVersion: workflows.StoredVersion,
  CheckedDefinition: workflows.CheckedDefinition,
  Report: workflows.Report,
  StepPlan: workflows.StepPlan,
  BarrierPlan: workflows.BarrierPlan,
  Accepted: executions.Accepted,
  ExecutionSummary: executions.ExecutionSummary,
  Execution: executions.Execution,
  Wait: executions.Wait,
  TimelineEntry: executions.TimelineEntry,
  ExecutionStep: executions.ExecutionStep,
  ExecutionEvent: executions.ExecutionEvent,
  StateMachine: executions.StateMachine,
  RetryPreview: executions.RetryPreview,
  Approval: executions.Approval,
  CallbackAccepted: executions.CallbackAccepted,
  Connection,
  ConnectionSpec: Spec,
  Auth,
  DatabaseLogin,
  Operation,
  NamedParameters,
  PositionalParameters,
  ParameterSchema,
  Error: ErrorObject,
  Problem,
  ProblemDetails,
};

/** Words for scalars that are used everywhere; what they mean is said once. */
const WORDS: Readonly<Record<string, TSchema>> = {
  timestamp: Timestamp,
  UUID: Uuid,
  'UUID of version 7': ClientExecutionId,
  'workflow id': WorkflowId,
  version: WorkflowVersion,
  'step key': executions.StepKey,
  labels: Labels,
  'any JSON': AnyJson,
};

interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

/** Equal for schemas that differ in their description alone. */
function textOf(schema: Schema): string {
  return JSON.stringify({ ...schema, description: undefined });
}

const shapeNames = new Map(Object.entries(SHAPES).map(([name, each]) => [textOf(each), name]));

function wordOf(schema: Schema): string | undefined {
  return Object.keys(WORDS).find((word) => {
    const known = WORDS[word] as Schema;
    // What has no pattern is a string like any other: only its description makes it the word.
    return Object.keys(known).length > 2
      ? textOf(known) === textOf(schema)
      : JSON.stringify(known) === JSON.stringify(schema);
  });
}

/** The type of a schema in a few words of Markdown. */
export function typeWords(schema: TSchema): string {
  return words(schema as Schema);
}

function words(schema: Schema): string {
  const shape = shapeNames.get(textOf(schema));
  if (shape !== undefined) return `[${shape}](#${shape.toLowerCase()})`;
  const word = wordOf(schema);
  if (word !== undefined) return word;
  if (schema.enum !== undefined) return schema.enum.map((each) => `\`${each}\``).join(' ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  const union = schema.anyOf ?? schema.oneOf;
  if (union !== undefined) return union.map(words).join(' or ');
  if (schema.items !== undefined) return `list of ${words(schema.items)}`;
  const [byName] = [
    ...Object.values(schema.patternProperties ?? {}),
    ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []),
  ];
  if (byName !== undefined) return `object: ${words(byName)} by name`;
  const { type, minimum, maximum, maxLength, maxItems } = schema;
  if (type === undefined) return 'any JSON';
  const name = typeof type === 'string' ? type : type.join(' or ');
  if (minimum !== undefined && maximum !== undefined) return `${name}, ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `${name}, at least ${minimum}`;
  if (maxLength !== undefined) return `${name}, at most ${maxLength} characters`;
  return maxItems === undefined ? name : `${name}, at most ${maxItems} items`;
}

/** What is said of a member besides its type: not what its type's word or shape already says. */
function about(schema: Schema): string {
  const text = descriptionOf(schema);
  const parts = text === undefined ? [] : [text];
  if (schema.default !== undefined) parts.push(`default \`${schema.default}\``);
  return parts.join('; ').replaceAll('|', '\\|').replaceAll('\n', ' ');
}

function descriptionOf(schema: Schema): string | undefined {
  if (schema.description === undefined) {
    const [only, ...others] = (schema.anyOf ?? []).filter(({ type }) => type !== 'null');
    return only === undefined || others.length > 0 ? undefined : descriptionOf(only);
  }
  const word = wordOf(schema);
  const shape = shapeNames.get(textOf(schema));
  const known = word !== undefined ? WORDS[word] : shape !== undefined ? SHAPES[shape] : undefined;
  const said = (known as Schema | undefined)?.description;
  return schema.description === said ? undefined : schema.description;
}

/** Whether unmarked members are those that may be left out (asked), or those always there (answered). */
export type Marking = 'required' | 'optional';

/** The members of an object as a table; those of an object without a name are written out below it. */
export function memberTable(title: string, schema: TSchema, marking: Marking): string[] {
  return [`| ${title} | type | |`, '|---|---|---|', ...rows(schema as Schema, '', marking, true)];
}

function rows(schema: Schema, prefix: string, marking: Marking, nested: boolean): string[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const mark = required.has(name) === (marking === 'required') ? ` (${marking})` : '';
    const row = `| \`${prefix}${name}\`${mark} | ${words(member)} | ${about(member)} |`;
    const inside = nested ? insideOf(member) : null;
    if (inside === null) return [row];
    return [row, ...rows(inside.schema, `${prefix}${name}${inside.suffix}.`, marking, false)];
  });
}

/** The object without a name that a member is, may be, or lists. */
function insideOf(member: Schema): { readonly schema: Schema; readonly suffix: string } | null {
  if (shapeNames.has(textOf(member))) return null;
  if (member.properties !== undefined) return { schema: member, suffix: '' };
  if (member.items !== undefined) {
    const inside = insideOf(member.items);
    return inside === null ? null : { schema: inside.schema, suffix: `[]${inside.suffix}` };
  }
  const [only, ...others] = (member.anyOf ?? []).filter(({ type }) => type !== 'null');
  return only === undefined || others.length > 0 ? null : insideOf(only);
}

/** `with [Execution](#execution)`, `with a page of ...`; null when the shape has no name. */
export function answerWords(schema: TSchema): string | null {
  const { properties } = schema as Schema;
  const items = properties?.['next_cursor'] === undefined ? undefined : properties['items']?.items;
  if (items !== undefined) return `a page of ${words(items)}`;
  return properties === undefined || shapeNames.has(textOf(schema as Schema))
    ? words(schema as Schema)
    : null;
}

/** Every shape that has a name, once. */
export function shapesSection(): string {
  const scalars = Object.entries(WORDS)
    .filter(([word]) => word !== 'any JSON')
    .map(
      ([word, schema]) =>
        `| ${word} | ${about({ description: (schema as Schema).description ?? '' })} |`,
    );
  return [
    '## Shapes',
    '',
    'What is not marked optional is always there. Some words for values:',
    '',
    '| word | |',
    '|---|---|',
    ...scalars,
    ...Object.entries(SHAPES).flatMap(([name, schema]) => shape(name, schema as Schema)),
  ].join('\n');
}

function shape(name: string, schema: Schema): string[] {
  const text = schema.description === undefined ? [] : ['', `${schema.description}.`];
  const variants = schema.oneOf ?? schema.anyOf;
  if (variants !== undefined) {
    const tables = variants.flatMap((each) => ['', ...tableOf(titleOf(each), each)]);
    return ['', `### ${name}`, ...text, ...tables];
  }
  const base = baseOf(name, schema);
  if (base === null) return ['', `### ${name}`, ...text, '', ...tableOf('member', schema)];
  const inherited = base.schema.properties ?? {};
  const own = Object.entries(schema.properties ?? {}).filter(
    ([member]) => !Object.hasOwn(inherited, member),
  );
  return [
    ...['', `### ${name}`, ...text, ''],
    `All of ${words(base.schema)}, and:`,
    '',
    ...tableOf('member', { ...schema, properties: Object.fromEntries(own) }),
  ];
}

function tableOf(title: string, schema: Schema): string[] {
  return memberTable(title, schema as TSchema, 'optional');
}

/** The largest shape whose members are all members of this one too, word for word. */
function baseOf(name: string, schema: Schema): { readonly schema: Schema } | null {
  const has = ([member, each]: [string, Schema], required: ReadonlySet<string>) => {
    const mine = schema.properties?.[member];
    return (
      mine !== undefined &&
      JSON.stringify(mine) === JSON.stringify(each) &&
      required.has(member) === schema.required?.includes(member)
    );
  };
  const [largest] = Object.entries(SHAPES)
    .filter(([other]) => other !== name && other !== 'Error')
    .map(([, each]) => each as Schema)
    .filter(({ properties, required }) => {
      const members = Object.entries(properties ?? {});
      return members.length > 0 && members.every((member) => has(member, new Set(required)));
    })
    .sort(
      (a, b) => Object.keys(b.properties ?? {}).length - Object.keys(a.properties ?? {}).length,
    );
  return largest === undefined ? null : { schema: largest };
}

/** The word that tells a variant of a union apart. */
function titleOf(variant: Schema): string {
  const fixed = Object.entries(variant.properties ?? {}).find(
    ([, { const: word }]) => word !== undefined,
  );
  return fixed === undefined ? 'member' : `${fixed[0]} \`${fixed[1].const}\``;
}
