import * as Type from 'typebox';
import { inWords } from './in-words.ts';
import { naming } from './naming.ts';

/**
 * What a tenant registers so that steps can reach the outside: a connection (where, and with which
 * credentials by reference) and, on a database connection, operations (the only SQL there is; steps
 * give parameters, never text). The shapes are closed: an unknown member is refused.
 *
 * A connection holds names of secrets, never their values. Values travel once, in `secrets` of a
 * request, and are kept by the `Secrets` port.
 */

/** Names are what steps and URLs use; the same pattern as a step id, so that an id can be a name. */
const NAME = '^[a-z][a-z0-9_-]{0,62}$';

function closed<P extends Type.TProperties>(properties: P, options: { description?: string } = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

/**
 * An object of values under names of one pattern. Written out, since `Type.Record` would bring the
 * whole algebra of types into every bundle: 40 KB that no function uses.
 */
function byName<V extends Type.TSchema>(
  name: Type.TString & { readonly pattern?: string },
  value: V,
  options: { readonly maxProperties: number },
) {
  return Type.Unsafe<Record<string, Type.Static<V>>>({
    type: 'object',
    patternProperties: { [String(name.pattern)]: value },
    ...options,
  });
}

const NAMED = 'up to 63 of a-z, 0-9, `_` and `-`, a letter first';
export const ConnectionName = naming(
  'connection',
  inWords(NAMED, Type.String({ pattern: NAME, description: NAMED })),
);
export const OperationName = naming(
  'connection_operation',
  inWords(NAMED, Type.String({ pattern: NAME, description: NAMED })),
);
export const SecretName = naming(
  'secret',
  inWords(NAMED, Type.String({ pattern: NAME, description: 'the name of a secret' })),
);

/** A field name of HTTP (RFC 9110 token), lower or upper case. */
const HeaderName = inWords(
  'the name of a header (RFC 9110), of up to 64 characters',
  Type.String({ pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$" }),
);
/** What PostgreSQL calls something by. */
const postgresName = () =>
  inWords(
    '1 to 63 characters without U+0000',
    Type.String({ minLength: 1, maxLength: 63, pattern: '^[^\\u0000]*$' }),
  );

export const HttpAuth = Type.Union([
  closed({ scheme: Type.Literal('none') }),
  closed({ scheme: Type.Literal('bearer'), secret: SecretName }),
  closed({
    scheme: Type.Literal('basic'),
    username: inWords(
      '1 to 256 characters without `:` and control characters',
      Type.String({ minLength: 1, maxLength: 256, pattern: '^[^:\\u0000-\\u001f\\u007f]*$' }),
    ),
    secret: SecretName,
  }),
  closed({ scheme: Type.Literal('api_key'), header: HeaderName, secret: SecretName }),
]);
export type HttpAuth = Type.Static<typeof HttpAuth>;

export const HttpConnection = closed({
  type: Type.Literal('http'),
  base_url: inWords(
    'a URL of http or https with a host, and a port and a path if need be; without a user, a query or a fragment',
    Type.String({
      maxLength: 2048,
      pattern:
        '^https?://(?:[A-Za-z0-9.-]{1,253}|\\[[0-9A-Fa-f:.]{2,45}\\])(?::[0-9]{1,5})?(?:/[^\\s?#@]*)?$',
      description: 'scheme, host, port and path that every URL of this connection begins with',
    }),
  ),
  auth: HttpAuth,
});
export type HttpConnection = Type.Static<typeof HttpConnection>;

export const DatabaseLogin = closed({
  username: postgresName(),
  secret: SecretName,
});

export const PostgresConnection = closed({
  type: Type.Literal('postgres'),
  host: inWords(
    'a host name or an address of 1 to 253 letters, digits, `.`, `:`, `_` and `-`',
    Type.String({ minLength: 1, maxLength: 253, pattern: '^[A-Za-z0-9.:_-]+$' }),
  ),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, default: 5432 })),
  database: postgresName(),
  login: DatabaseLogin,
  reader: Type.Optional({
    ...DatabaseLogin,
    description: 'the login of operations with access `read`; without it, `login`',
  }),
  tls: Type.Optional(
    Type.Unsafe<'verify' | 'require' | 'disable'>({
      type: 'string',
      enum: ['verify', 'require', 'disable'],
      default: 'verify',
      description:
        'verify checks the certificate against `ca` or the public authorities, require only encrypts, disable needs the operator to have allowed the host',
    }),
  ),
  ca: Type.Optional(Type.String({ maxLength: 65536, description: 'PEM certificates to trust' })),
  max_connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 20, default: 5 })),
});
export type PostgresConnection = Type.Static<typeof PostgresConnection>;

/** What is stored and shown. */
export const ConnectionSpec = Type.Union([HttpConnection, PostgresConnection]);
export type ConnectionSpec = Type.Static<typeof ConnectionSpec>;

/**
 * Who is shown the secrets of a connection: where it leads, and how that proves who it is. A change of it
 * must bring the values again, or whoever may change a connection could have them sent to themselves.
 */
export function audienceOf(spec: ConnectionSpec): string {
  if (spec.type === 'http') return new URL(spec.base_url).origin;
  const { host, port = 5432, tls = 'verify', ca = '' } = spec;
  return JSON.stringify([host, port, tls, ca]);
}

/** Values by secret name, write-only: stored by the `Secrets` port, never answered by any route. */
export const SecretValues = byName(
  SecretName,
  Type.String({ minLength: 1, maxLength: 4096, writeOnly: true }),
  { maxProperties: 8 },
);
export type SecretValues = Type.Static<typeof SecretValues>;

/** The body that creates or replaces a connection. */
export const ConnectionRequest = closed({
  connection: ConnectionSpec,
  secrets: Type.Optional(SecretValues),
});
export type ConnectionRequest = Type.Static<typeof ConnectionRequest>;

const PARAMETER_TYPES = [
  'string',
  'integer',
  'number',
  'boolean',
  'object',
  'array',
  'null',
] as const;
type ParameterType = (typeof PARAMETER_TYPES)[number];
const ParameterTypeWord = Type.Unsafe<ParameterType>({
  type: 'string',
  enum: [...PARAMETER_TYPES],
});

/**
 * A part of JSON Schema that is checked by comparison alone: no patterns and no references, so a
 * hostile schema cannot cost more than its own length.
 */
export const ParameterSchema = closed({
  type: Type.Union([
    ParameterTypeWord,
    Type.Array(ParameterTypeWord, { minItems: 1, maxItems: 7 }),
  ]),
  description: Type.Optional(Type.String({ maxLength: 512 })),
  enum: Type.Optional(
    Type.Array(
      Type.Union([Type.String({ maxLength: 256 }), Type.Number(), Type.Boolean(), Type.Null()]),
      {
        minItems: 1,
        maxItems: 100,
      },
    ),
  ),
  format: Type.Optional(
    Type.Unsafe<'uuid' | 'date' | 'date-time'>({
      type: 'string',
      enum: ['uuid', 'date', 'date-time'],
    }),
  ),
  minLength: Type.Optional(Type.Integer({ minimum: 0 })),
  maxLength: Type.Optional(Type.Integer({ minimum: 0 })),
  minimum: Type.Optional(Type.Number()),
  maximum: Type.Optional(Type.Number()),
  items: Type.Optional(
    closed(
      {
        type: Type.Unsafe<'string' | 'integer' | 'number' | 'boolean'>({
          type: 'string',
          enum: ['string', 'integer', 'number', 'boolean'],
        }),
      },
      { description: 'makes an array travel as a database array; without it, as JSON' },
    ),
  ),
  maxItems: Type.Optional(Type.Integer({ minimum: 0, maximum: 10_000 })),
});
export type ParameterSchema = Type.Static<typeof ParameterSchema>;

/** Parameters of a statement with `:name`s: an object. */
export const NamedParameters = closed({
  type: Type.Literal('object'),
  properties: byName(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_]{0,62}$' }), ParameterSchema, {
    maxProperties: 64,
  }),
  required: Type.Optional(Type.Array(Type.String({ maxLength: 63 }), { maxItems: 64 })),
  additionalProperties: Type.Optional(Type.Literal(false)),
});
export type NamedParameters = Type.Static<typeof NamedParameters>;

/** Parameters of a statement with `$1`, `$2`, ...: an array of exactly this length. */
export const PositionalParameters = closed({
  type: Type.Literal('array'),
  prefixItems: Type.Array(ParameterSchema, { maxItems: 64 }),
});
export type PositionalParameters = Type.Static<typeof PositionalParameters>;

/** One registered statement. `checkOperation` of core/operations.ts says what a schema cannot. */
export const OperationSpec = closed({
  connection: ConnectionName,
  access: Type.Unsafe<'read' | 'write'>({ type: 'string', enum: ['read', 'write'] }),
  statement: Type.String({
    minLength: 1,
    maxLength: 16_384,
    description: 'one SQL statement; parameters are `:name` or `$1`, never text',
  }),
  parameters: Type.Optional(Type.Union([NamedParameters, PositionalParameters])),
  max_rows: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 1000,
      default: 100,
      description: 'more rows fail the step',
    }),
  ),
});
export type OperationSpec = Type.Static<typeof OperationSpec>;

/** Under which names the secrets of one connection are kept, by their names in its specification. */
export type KeptSecrets = { readonly [name: string]: string };

/** The name that a secret of a connection is kept under. */
export function keptAs(kept: KeptSecrets, name: string): string {
  // What is not in it was stored before connections had secrets of their own.
  return Object.hasOwn(kept, name) ? (kept[name] as string) : name;
}

/** Names of the secrets that a connection refers to, in the order they appear. */
export function secretNamesOf(spec: ConnectionSpec): readonly string[] {
  if (spec.type === 'http') return spec.auth.scheme === 'none' ? [] : [spec.auth.secret];
  return spec.reader === undefined ? [spec.login.secret] : [spec.login.secret, spec.reader.secret];
}
