import * as Type from 'typebox';
import {
  ConnectionName,
  type ConnectionSpec,
  HttpAuth,
  HttpConnection,
  OperationName,
  OperationSpec,
  PostgresConnection,
  SecretName,
  SecretValues,
} from '#core/connections.ts';
import { closed, Timestamp, toldApartBy } from './common.ts';

export const Auth = toldApartBy<HttpAuth>('scheme', HttpAuth.anyOf);

export const Spec = toldApartBy<ConnectionSpec>('type', [
  closed({ ...HttpConnection.properties, auth: Auth }),
  PostgresConnection,
]);

const Secrets = {
  ...SecretValues,
  description: 'values by secret name; kept apart, never answered by any route',
};

export const CreateConnectionBody = closed({
  name: ConnectionName,
  connection: Spec,
  secrets: Type.Optional(Secrets),
});

export const UpdateConnectionBody = closed({
  connection: Spec,
  secrets: Type.Optional(Secrets),
});

export const Connection = closed({
  name: ConnectionName,
  connection: Spec,
  secret_names: Type.Array(SecretName, { description: 'the secrets it refers to; never values' }),
  secrets: Type.Array(
    closed({
      name: SecretName,
      set_at: Type.Union([Timestamp, Type.Null()]),
      turn_by: Type.Union([Timestamp, Type.Null()], {
        description: 'when it is to be changed by; nothing happens then but that it is said',
      }),
    }),
    { description: 'how old each is; null: it was set before this was kept' },
  ),
  created_at: Timestamp,
  updated_at: Timestamp,
});

const { connection: _named, ...statement } = OperationSpec.properties;

export const UpdateOperationBody = closed(statement);
export const CreateOperationBody = closed({ name: OperationName, ...statement });

export const Operation = closed({
  name: OperationName,
  ...OperationSpec.properties,
  created_at: Timestamp,
  updated_at: Timestamp,
});
