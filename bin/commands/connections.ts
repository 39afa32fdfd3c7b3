import type { Client } from '#client/client.ts';
import type { Body, ResponseBody } from '#contract/routes.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { nameIn, objectIn } from '../input.ts';
import { facts } from '../output/facts.ts';
import { listed, told } from '../output/pages.ts';
import type { Terminal } from '../output/terminal.ts';
import { instant, printable } from '../output/text.ts';
import { secretsOf } from '../prompt.ts';

type Connection = ResponseBody<'getConnection'>;

export interface SecretOptions {
  /** Names of secrets whose values are asked for. */
  readonly secret?: readonly string[];
  readonly secretsStdin?: true;
}

export async function listConnections(
  terminal: Terminal,
  client: Client,
  query: { readonly limit: number },
): Promise<void> {
  listed(terminal, await client.listConnections({ query }), {
    none: 'there are no connections',
    headings: ['name', 'type', 'changed (UTC)', 'secrets', 'leads to'],
    row: (connection) => [
      connection.name,
      connection.connection.type,
      instant(connection.updated_at),
      connection.secret_names.join(', '),
      addressOf(connection),
    ],
    more: '--limit shows more',
  });
}

export async function showConnection(
  terminal: Terminal,
  client: Client,
  name: string,
): Promise<void> {
  const found = await client.getConnection({ connection: name });
  if (terminal.json) {
    terminal.document(found);
    return;
  }
  const { connection } = found;
  const own: [string, string | null][] =
    connection.type === 'http'
      ? [['signs in', connection.auth.scheme]]
      : [
          ['signs in', connection.login.username],
          ['reads as', connection.reader?.username ?? null],
          ['TLS', connection.tls ?? 'verify'],
          ['at most', `${connection.max_connections ?? 5} connections`],
        ];
  terminal.out(
    facts(terminal, [
      ['name', found.name],
      ['type', connection.type],
      ['leads to', addressOf(found)],
      ...own,
      ...found.secrets.map(({ name: secret, set_at, turn_by }): [string, string] => [
        'secret',
        `${secret}${set_at === null ? '' : `, set ${instant(set_at)} UTC`}${turn_by === null ? '' : `, to be changed by ${instant(turn_by)} UTC`}`,
      ]),
      ['made', `${instant(found.created_at)} UTC`],
      ['changed', `${instant(found.updated_at)} UTC`],
    ]),
  );
}

function addressOf({ connection }: Connection): string {
  if (connection.type === 'http') return connection.base_url;
  return `${connection.host}:${connection.port ?? 5432}/${connection.database}`;
}

/** Out of a JSON file as the API takes it; values of secrets come apart from it, so that a file may be kept. */
export async function createConnection(
  terminal: Terminal,
  client: Client,
  file: string,
  options: SecretOptions,
): Promise<void> {
  const body = await bodyWithSecrets(file, options);
  // Checked by the platform, which says what is allowed and where.
  const made = await client.createConnection({
    body: body as unknown as Body<'createConnection'>,
  });
  told(terminal, made, `connection ${printable(made.name)} is registered`);
}

export async function updateConnection(
  terminal: Terminal,
  client: Client,
  file: string,
  options: SecretOptions,
): Promise<void> {
  const { name, ...body } = await bodyWithSecrets(file, options);
  const made = await client.updateConnection({
    connection: nameIn(file, name),
    body: body as unknown as Body<'updateConnection'>,
    ifMatch: '*',
  });
  told(terminal, made, `connection ${printable(made.name)} is replaced`);
}

async function bodyWithSecrets(file: string, options: SecretOptions): Promise<JsonObject> {
  const body = objectIn(file);
  const values = await secretsOf(options.secret ?? [], options.secretsStdin === true);
  if (Object.keys(values).length === 0) return body;
  const { secrets = {} } = body;
  // What is no object is for the platform to refuse.
  return isJsonObject(secrets) ? { ...body, secrets: { ...secrets, ...values } } : body;
}

export async function deleteConnection(
  terminal: Terminal,
  client: Client,
  name: string,
): Promise<void> {
  await client.deleteConnection({ connection: name });
  told(terminal, { deleted: name }, `connection ${printable(name)} is deleted, with its secrets`);
}

export async function listOperations(
  terminal: Terminal,
  client: Client,
  connection: string,
  query: { readonly limit: number },
): Promise<void> {
  listed(terminal, await client.listOperations({ connection, query }), {
    none: `connection ${printable(connection)} has no operations`,
    headings: ['name', 'access', 'changed (UTC)', 'statement'],
    row: ({ name, access, updated_at, statement }) => [
      name,
      access,
      instant(updated_at),
      statement.replace(/\s+/g, ' '),
    ],
    more: '--limit shows more',
  });
}

export async function showOperation(
  terminal: Terminal,
  client: Client,
  connection: string,
  operation: string,
): Promise<void> {
  const found = await client.getOperation({ connection, operation });
  if (terminal.json) {
    terminal.document(found);
    return;
  }
  terminal.out(
    facts(terminal, [
      ['name', `${found.name} of ${found.connection}`],
      ['access', found.access],
      ['most rows', String(found.max_rows ?? 100)],
      ['parameters', found.parameters === undefined ? 'none' : JSON.stringify(found.parameters)],
      ['changed', `${instant(found.updated_at)} UTC`],
    ]),
  );
  terminal.out(`\n${found.statement.split('\n').map(printable).join('\n')}\n`);
}

export async function createOperation(
  terminal: Terminal,
  client: Client,
  connection: string,
  file: string,
): Promise<void> {
  const body = objectIn(file) as unknown as Body<'createOperation'>;
  const made = await client.createOperation({ connection, body });
  told(terminal, made, `operation ${printable(`${made.name} of ${connection}`)} is registered`);
}

export async function updateOperation(
  terminal: Terminal,
  client: Client,
  connection: string,
  file: string,
): Promise<void> {
  const { name, ...body } = objectIn(file);
  const made = await client.updateOperation({
    connection,
    operation: nameIn(file, name),
    body: body as unknown as Body<'updateOperation'>,
    ifMatch: '*',
  });
  told(terminal, made, `operation ${printable(`${made.name} of ${connection}`)} is replaced`);
}

export async function deleteOperation(
  terminal: Terminal,
  client: Client,
  connection: string,
  operation: string,
): Promise<void> {
  await client.deleteOperation({ connection, operation });
  told(
    terminal,
    { deleted: operation },
    `operation ${printable(`${operation} of ${connection}`)} is deleted`,
  );
}
