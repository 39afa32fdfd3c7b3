/**
 * An endpoint that speaks SES v2's REST: `POST /v2/email/outbound-emails`, the members of its request that are
 * required, and its errors as AWS writes them (`x-amzn-errortype`, JSON with a message). Written from AWS's
 * reference and never compared with an account.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the next requests get; afterwards everything is taken. */
export type SesAnswer =
  | { readonly status: number; readonly error: string }
  /** Taken, and the answer never comes: the connection is cut. */
  | 'cut'
  /** Taken, and nobody answers. */
  | 'silence';

export interface TakenMail {
  readonly FromEmailAddress: string;
  readonly ConfigurationSetName: string;
  readonly Destination: { readonly ToAddresses: readonly string[] };
  readonly Content: {
    readonly Simple: {
      readonly Subject: { readonly Data: string };
      readonly Body: { readonly Text: { readonly Data: string } };
      readonly Headers: readonly { readonly Name: string; readonly Value: string }[];
    };
  };
  readonly EmailTags: readonly { readonly Name: string; readonly Value: string }[];
}

export interface TestSes {
  readonly url: string;
  /** What a process of ours needs to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** Mail that SES may deliver: also what it did not answer for. */
  readonly taken: TakenMail[];
  /** Requests of any kind. */
  readonly asked: number;
  /** In order, one for each request. */
  readonly answers: SesAnswer[];
  /** Of those to an address, always. */
  refuse(address: string, answer: SesAnswer): void;
  close(): Promise<void>;
}

export async function startSes(): Promise<TestSes> {
  const taken: TakenMail[] = [];
  const answers: SesAnswer[] = [];
  const refused = new Map<string, SesAnswer>();
  let asked = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      asked += 1;
      const fail = (status: number, error: string, message: string): void => {
        response.writeHead(status, {
          'content-type': 'application/json',
          'x-amzn-errortype': error,
        });
        response.end(JSON.stringify({ message }));
      };
      if (request.method !== 'POST' || request.url !== '/v2/email/outbound-emails') {
        return fail(404, 'UnknownOperationException', 'no such operation');
      }
      if (!/^AWS4-HMAC-SHA256 .*\/ses\/aws4_request/.test(request.headers.authorization ?? '')) {
        return fail(403, 'MissingAuthenticationTokenException', 'it is not signed');
      }
      const mail = JSON.parse(Buffer.concat(chunks).toString()) as TakenMail;
      const to = mail.Destination?.ToAddresses?.[0] ?? '';
      if (to === '' || mail.Content?.Simple === undefined || mail.FromEmailAddress === undefined) {
        return fail(400, 'BadRequestException', 'a member is missing');
      }
      const answer = refused.get(to) ?? answers.shift();
      if (typeof answer === 'object') {
        // AWS names the address; nobody may repeat it.
        return fail(answer.status, answer.error, `the following identities failed: ${to}`);
      }
      taken.push(mail);
      if (answer === 'cut') return void request.socket.destroy();
      if (answer === 'silence') return;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ MessageId: `0100-${taken.length}` }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    env: { AWS_ENDPOINT_URL_SESV2: url },
    taken,
    answers,
    get asked() {
      return asked;
    },
    refuse: (address, answer) => void refused.set(address, answer),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
