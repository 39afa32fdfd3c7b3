import type { TSchema } from 'typebox';
import { type OperationId, operationIds, routeOf } from '#contract/routes.ts';
import type { Json } from '#core/json.ts';
import { namedBy, type Thing } from '#core/naming.ts';

/** A text that a request can hold, wherever it stands. */
export interface Member {
  readonly operation: OperationId;
  readonly place: 'params' | 'query' | 'body';
  /** From the place to the member; `0` for an item of a list. */
  readonly path: readonly string[];
  /** What it names; null: nothing that anybody owns. */
  readonly thing: Thing | null;
}

interface Schema {
  readonly type?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** Every text of every request of the contract that is free: no word of a list, no constant, no instant. */
export function membersOf(id: OperationId): Member[] {
  const route = routeOf(id);
  const found = (['params', 'query', 'body'] as const).flatMap((place) => {
    const schema: TSchema | undefined = route[place];
    return schema === undefined
      ? []
      : texts(schema as Schema).map((text): Member => ({ operation: id, place, ...text }));
  });
  // Shapes of a union share members.
  return [...new Map(found.map((member) => [nameOf(member), member])).values()];
}

export const allMembers: readonly Member[] = operationIds.flatMap(membersOf);

export function nameOf({ operation, place, path }: Member): string {
  return `${operation} ${place}/${path.join('/')}`;
}

export type Text = Pick<Member, 'path' | 'thing'>;

/** Every such text of one schema, wherever it stands in a value of it. */
export function textsOf(schema: TSchema): readonly Text[] {
  return texts(schema as Schema);
}

function texts(schema: Schema): Text[] {
  const thing = namedBy(schema);
  if (thing !== null) return [{ path: [], thing }];
  if (schema.type === 'string') {
    const isFree = schema.enum === undefined && schema.const === undefined;
    return isFree && schema.format === undefined ? [{ path: [], thing: null }] : [];
  }
  const { additionalProperties: rest } = schema;
  return [
    ...(schema.anyOf ?? schema.oneOf ?? []).flatMap(texts),
    ...(schema.items === undefined ? [] : under('0', schema.items)),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, each]) => under(name, each)),
    ...Object.values(schema.patternProperties ?? {}).flatMap((each) => under('*', each)),
    ...(typeof rest === 'object' ? under('*', rest) : []),
  ];
}

function under(name: string, schema: Schema): Text[] {
  return texts(schema).map(({ path, thing }) => ({ path: [name, ...path], thing }));
}

/** The value with another text at a place; what is missing on the way there is made. */
export function withText(value: Json | undefined, path: readonly string[], text: Json): Json {
  const [name, ...rest] = path;
  if (name === undefined) return text;
  if (name === '0') return [withText(Array.isArray(value) ? value[0] : undefined, rest, text)];
  const before = (typeof value === 'object' && !Array.isArray(value) ? value : {}) as {
    readonly [name: string]: Json;
  };
  return { ...before, [name]: withText(before[name], rest, text) };
}
