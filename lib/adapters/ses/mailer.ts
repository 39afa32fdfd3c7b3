import { type SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { MailError, type Mailer, type MailOutcome } from '#ports/mail.ts';

/**
 * Mail by SES. `client` must not try again by itself, for what had no answer may have left, and a try is
 * counted before it is made. A message names the event that asked for it, in a header and in a tag: a
 * receiver can tell that a second one is the same, and what becomes of it is told with the id.
 */
export function createSesMailer(
  client: SESv2Client,
  {
    from,
    configurationSet,
  }: {
    /** Address that mail comes from; empty: the stage sends none. */
    readonly from: string;
    readonly configurationSet: string;
  },
): Mailer {
  return {
    canSend: from !== '',

    async send({ id, to, subject, text }) {
      const command = new SendEmailCommand({
        FromEmailAddress: `CloudFlow <${from}>`,
        ConfigurationSetName: configurationSet,
        Destination: { ToAddresses: [to] },
        Content: {
          Simple: {
            Subject: { Data: subject, Charset: 'UTF-8' },
            Body: { Text: { Data: text, Charset: 'UTF-8' } },
            Headers: [
              { Name: 'X-CloudFlow-Id', Value: id },
              // Answers of machines that are away would come back to nobody.
              { Name: 'Auto-Submitted', Value: 'auto-generated' },
            ],
          },
        },
        EmailTags: [{ Name: 'event_id', Value: id }],
      });
      // Around the request alone: an open breaker, and a signature that cannot be made, are before it.
      let asked = false;
      command.middlewareStack.add(
        (next) => (args) => {
          asked = true;
          return next(args);
        },
        { step: 'finalizeRequest', priority: 'low', name: 'asked' },
      );
      try {
        await client.send(command);
      } catch (error) {
        throw errorOf(error, asked);
      }
    },

    // Nobody on AWS looks at it, and it may hold what a tenant's step said.
    keep: () => Promise.resolve(),
  };
}

/** It never left this machine. */
const NOT_CONNECTED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/** What is wrong with us and with no message: until somebody mends it, all of them wait. */
const OURS =
  /^(?:AccountSuspended|SendingPaused|MailFromDomainNotVerified|LimitExceeded|NotFound|AccessDenied|UnrecognizedClient|InvalidClientTokenId|InvalidSignature|SignatureDoesNotMatch|ExpiredToken|IncompleteSignature)/;
const SLOW_DOWN = /^(?:TooManyRequests|Throttl)/;
/** Name of an error, as AWS writes them. */
const NAME = /^[A-Za-z]{1,64}$/;

function errorOf(error: unknown, asked: boolean): unknown {
  if (!(error instanceof Error)) return error;
  const name = NAME.test(error.name) ? error.name : 'Error';
  return new MailError(outcomeOf(error, name, asked), name);
}

function outcomeOf(error: Error, name: string, asked: boolean): MailOutcome {
  if (!asked) return 'away';
  const { code, $metadata } = error as {
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  const status = $metadata?.httpStatusCode;
  if (status === undefined) {
    return typeof code === 'string' && NOT_CONNECTED.has(code) ? 'away' : 'unknown';
  }
  if (status === 429 || SLOW_DOWN.test(name)) return 'slow_down';
  return status >= 500 || OURS.test(name) ? 'away' : 'refused';
}
