import { createSigningKeys } from '#adapters/postgres/signing-keys.ts';
import { readEnv } from '#config/env.ts';
import { FUNCTIONS } from '#config/functions.ts';
import { CloudFlowError, hasErrorCode } from '#core/errors.ts';
import { createAuthenticate } from '#services/identity/authenticate.ts';
import { createVerifier } from '../identity/create-verifier.ts';
import { openPools } from '../shared/database.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';
import { within } from '../shared/within.ts';

const env = readEnv('authorizer', process.env);
const basics = createBasics('authorizer', env);
const open = openPools(basics, env);
const app = open('cloudflow_app', 1);
const authenticate = createAuthenticate({
  ...createVerifier({
    app,
    login: open('cloudflow_login', 1),
    // Without a sealer: tokens are verified here and none is made.
    signingKeys: createSigningKeys({ pool: app, clock: basics.clock, sealer: null }),
    issuer: () => env.PUBLIC_URL,
    ...basics,
  }),
});

const WAIT_SECONDS = FUNCTIONS.authorizer.databaseWaitSeconds;

/** Told before Lambda would end this function, which would cost the next caller a cold start. */
function unanswered(): Error {
  const message = `the database has not answered within ${WAIT_SECONDS} seconds`;
  return new CloudFlowError('UNAVAILABLE', message);
}

/** What API Gateway asks of an authorizer of tokens. */
interface AuthorizerEvent {
  readonly authorizationToken: string;
  /** `arn:aws:execute-api:region:account:api/stage/METHOD/path` of the call. */
  readonly methodArn: string;
}

interface AuthorizerAnswer {
  readonly principalId: string;
  readonly policyDocument: {
    readonly Version: '2012-10-17';
    readonly Statement: readonly [
      {
        readonly Action: 'execute-api:Invoke';
        readonly Effect: 'Allow' | 'Deny';
        readonly Resource: string;
      },
    ];
  };
}

/**
 * Whether anybody we know calls. What they may do is decided where it is done, by functions that look
 * at the credential themselves: an answer of this one is kept for a minute, and holds for the whole API.
 * A refusal is an answer and no error, so that junk is remembered as well and alarms nobody.
 */
export const handler = invoked(
  basics,
  async (event: AuthorizerEvent): Promise<AuthorizerAnswer> => {
    try {
      const asked = authenticate(event.authorizationToken);
      const { subject } = await within(basics.clock, WAIT_SECONDS * 1_000, asked, unanswered);
      return answer(event, 'Allow', subject);
    } catch (error) {
      if (hasErrorCode(error, 'UNAUTHENTICATED')) return answer(event, 'Deny', 'nobody');
      throw error;
    }
  },
);

function answer(
  { methodArn }: AuthorizerEvent,
  Effect: 'Allow' | 'Deny',
  principalId: string,
): AuthorizerAnswer {
  const [api, stage] = methodArn.split('/');
  return {
    principalId,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect, Resource: `${api}/${stage}/*/*` }],
    },
  };
}
