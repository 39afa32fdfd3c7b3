import { hasErrorCode } from '#core/errors.ts';
import { isJsonObject, type Json } from '#core/json.ts';
import type { Authenticate } from '#services/identity/authenticate.ts';
import type { CameIn } from '#services/identity/still-in.ts';
import type { OpenSockets } from '#services/realtime/open-sockets.ts';

/** What API Gateway asks before it lets a client connect, as far as it is read here. */
export interface AuthorizeEvent {
  readonly type: 'REQUEST';
  readonly methodArn: string;
  readonly headers?: Readonly<Record<string, string | undefined>> | null;
}

/** What it tells of a connection, with what we answered when it asked. */
export interface SocketEvent {
  readonly type?: undefined;
  readonly requestContext: {
    readonly eventType: 'CONNECT' | 'MESSAGE' | 'DISCONNECT';
    readonly connectionId: string;
    readonly authorizer?: Readonly<Record<string, unknown>>;
  };
  readonly headers?: Readonly<Record<string, string | undefined>> | null;
  readonly body?: string | null;
}

interface SocketAnswer {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The protocol that clients of ours speak; what they name besides is their credential. */
const PROTOCOL = 'cloudflow.v1';
/** A browser can set no header, but it can name protocols: `bearer.<API key or access token>`. */
const CREDENTIAL = /^bearer\.([\x21-\x7e]+)$/;
/** Clients have little to say: what is longer is not read. */
const MAX_TEXT = 1_024;

/**
 * Everything that API Gateway says of WebSockets: may this client connect, it has, it said something,
 * it is gone. Who it is, is decided once and travels with the connection.
 */
export function createSocketEvents(deps: {
  readonly authenticate: Authenticate;
  readonly open: OpenSockets;
}): (event: AuthorizeEvent | SocketEvent) => Promise<unknown> {
  const { authenticate, open } = deps;

  async function authorize({ methodArn, headers }: AuthorizeEvent): Promise<unknown> {
    try {
      const { tenant, mode, subject, user } = await authenticate(credentialIn(headers));
      // API Gateway hands on texts, and no null.
      const session: { session?: string } = user === null ? {} : { session: user.session };
      return policy('Allow', methodArn, subject, { tenant, mode, subject, ...session });
    } catch (error) {
      // Refused, and no failure of ours: a stranger at the door must ring no alarm.
      if (!hasErrorCode(error, 'UNAUTHENTICATED')) throw error;
      return policy('Deny', methodArn, 'nobody', {});
    }
  }

  async function connected(event: SocketEvent): Promise<SocketAnswer> {
    await open.opened(ownerIn(event), event.requestContext.connectionId);
    // A browser ends a connection whose server picks none of the protocols that it named.
    return protocolsIn(event.headers).includes(PROTOCOL)
      ? { statusCode: 200, headers: { 'Sec-WebSocket-Protocol': PROTOCOL } }
      : { statusCode: 200 };
  }

  async function said(event: SocketEvent): Promise<SocketAnswer> {
    const stays = await open.heard(ownerIn(event), event.requestContext.connectionId);
    // Closed by then: nobody is there to be told.
    if (!stays) return { statusCode: 200 };
    return { statusCode: 200, body: JSON.stringify(answerTo(event.body ?? '')) };
  }

  return async (event) => {
    if (event.type === 'REQUEST') return authorize(event);
    switch (event.requestContext.eventType) {
      case 'CONNECT':
        return connected(event);
      case 'MESSAGE':
        return said(event);
      case 'DISCONNECT': {
        const { session: _, ...owner } = ownerIn(event);
        await open.closed(owner, event.requestContext.connectionId);
        return { statusCode: 200 };
      }
    }
  };
}

/** A ping keeps a connection open that API Gateway would end after ten idle minutes. */
function answerTo(text: string): Json {
  const message = text.length <= MAX_TEXT ? parsed(text) : undefined;
  if (isJsonObject(message) && message['type'] === 'ping') return { type: 'pong' };
  return {
    type: 'error',
    code: 'REQUEST_INVALID',
    message: 'send {"type":"ping"}; everything else comes from the server',
  };
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/**
 * The Authorization header that was sent, or that the named protocols stand for. Never a part of the address:
 * addresses are kept in logs and histories that nobody guards as credentials are.
 */
function credentialIn(headers: AuthorizeEvent['headers']): string | undefined {
  const header = headerOf(headers, 'authorization');
  if (header !== undefined) return header;
  const named = protocolsIn(headers).flatMap((protocol) => CREDENTIAL.exec(protocol)?.[1] ?? []);
  // Of two, one reader could take the first and another the last.
  return named.length === 1 ? `Bearer ${named[0]}` : undefined;
}

function protocolsIn(headers: AuthorizeEvent['headers']): readonly string[] {
  const text = headerOf(headers, 'sec-websocket-protocol') ?? '';
  return text.split(',').map((each) => each.trim());
}

function headerOf(headers: AuthorizeEvent['headers'], name: string): string | undefined {
  return Object.entries(headers ?? {}).find(([key]) => key.toLowerCase() === name)?.[1];
}

/** What we said when API Gateway asked: it hands nothing else on under this name. */
function ownerIn({ requestContext: { authorizer } }: SocketEvent): CameIn {
  const { tenant, mode, subject, session = null } = authorizer ?? {};
  if (
    typeof tenant !== 'string' ||
    typeof subject !== 'string' ||
    (mode !== 'live' && mode !== 'test') ||
    (session !== null && typeof session !== 'string')
  ) {
    throw new TypeError('a connection came without whose it is; its route needs the authorizer');
  }
  return { tenant, mode, subject, session };
}

function policy(
  Effect: 'Allow' | 'Deny',
  Resource: string,
  principalId: string,
  context: Readonly<Record<string, string>>,
) {
  return {
    principalId,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect, Resource }],
    },
    context,
  };
}
