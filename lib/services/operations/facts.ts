import type { Static, TObject } from 'typebox';
import * as Type from 'typebox';
import type { HomeFacts, StandbyFacts } from '#config/recovery.ts';
import { STAGES } from '#config/stages.ts';
import { validatePiece } from '#core/dsl/validate.ts';
import { isJsonObject } from '#core/json.ts';

const text = Type.String({ minLength: 1 });
const count = Type.Integer({ minimum: 0 });
const closed = <P extends Parameters<typeof Type.Object>[0]>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(schema: T) =>
  Type.Union([schema, Type.Null()]);

const place = {
  stage: Type.Union(STAGES.map((stage) => Type.Literal(stage))),
  region: text,
  cluster: text,
};

const Home = closed({
  ...place,
  vault: text,
  secretsPrefix: text,
  topicsCluster: orNull(text),
  copies: closed({
    subnetGroup: text,
    securityGroup: text,
    parameterGroup: text,
    maxUnits: Type.Number({ minimum: 1 }),
  }),
  archive: closed({ bucket: text, role: text, key: text }),
});

const Standby = closed({
  ...place,
  clusterArn: text,
  globalDatabase: text,
  instance: text,
  instanceClass: text,
  dns: orNull(closed({ zone: text, name: text, host: text })),
  engine: orNull(closed({ cluster: text, service: text, least: count, most: count })),
});

/** Throws one sentence with all that is wrong. Where schema and type part, this does not compile. */
export function readHomeFacts(source: string): HomeFacts {
  return read(Home, source);
}

export function readStandbyFacts(source: string): StandbyFacts {
  return read(Standby, source);
}

function read<T extends TObject>(schema: T, source: string): Static<T> {
  let value: unknown;
  try {
    value = JSON.parse(source);
  } catch {
    throw new TypeError('the facts of recovery are not JSON');
  }
  if (!isJsonObject(value)) throw new TypeError('the facts of recovery are no object');
  const { problems } = validatePiece(schema, value, '');
  if (problems.length === 0) return value as Static<T>;
  const said = problems.map(({ pointer, message }) => `${pointer || '/'}: ${message}`);
  throw new TypeError(`the facts of recovery are wrong: ${said.join('; ')}`);
}
