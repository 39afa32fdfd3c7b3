import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inflateRawSync } from 'node:zlib';
import { answerXml, encode, type Parts, type Question, xmlText } from './answers.ts';
import { ATTACKS } from './attacks.ts';
import { makeCertificate } from './certificate.ts';

/**
 * An identity provider of SAML 2.0 in a process of its own: takes requests by HTTP-Redirect, and answers
 * with the page that posts the form. What it says is what it was told last, honest or not.
 */
export interface Instructions {
  readonly nameId: string;
  readonly attributes: Readonly<Record<string, readonly string[]>>;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly parts?: Partial<Parts>;
  /** A name of ATTACKS. */
  readonly attack?: string;
  /** Signs with the certificate that will follow the first. */
  readonly rotated?: boolean;
}

export interface IdpReady {
  readonly kind: 'ready';
  readonly url: string;
  readonly entityId: string;
  /** In force, the next one, and one whose time is over. */
  readonly certificates: { readonly now: string; readonly next: string; readonly past: string };
}

const first = makeCertificate('first');
const next = makeCertificate('next');
const past = makeCertificate('past', { to: Date.UTC(2021, 0) });
const own = makeCertificate('attacker');
let instructions: Instructions | null = null;
let entityId = '';

process.on('message', (message: Instructions) => {
  instructions = message;
  process.send?.({ kind: 'told' });
});
process.on('disconnect', () => process.exit(0));

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', entityId);
  try {
    const page = answer(url.searchParams);
    response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  } catch (error) {
    response.writeHead(400).end(String(error));
  }
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  const origin = `http://127.0.0.1:${port}`;
  entityId = `${origin}/saml`;
  process.send?.({
    kind: 'ready',
    url: `${origin}/sso`,
    entityId,
    certificates: {
      now: first.certificate,
      next: next.certificate,
      past: past.certificate,
    },
  } satisfies IdpReady);
});

function answer(query: URLSearchParams): string {
  if (instructions === null) throw new Error('nobody said who signs in');
  const xml = inflateRawSync(Buffer.from(query.get('SAMLRequest') ?? '', 'base64')).toString();
  const acsUrl = wanted(/ AssertionConsumerServiceURL="([^"]+)"/, xml);
  const question: Question = {
    requestId: wanted(/ ID="([^"]+)"/, xml),
    acsUrl,
    audience: wanted(/<saml:Issuer[^>]*>([^<]+)</, xml),
    issuer: entityId,
    signer: instructions.rotated === true ? next : first,
    now: instructions.now,
    nameId: instructions.nameId,
    attributes: instructions.attributes,
  };
  const { attack, parts } = instructions;
  const form =
    attack === undefined
      ? encode(answerXml(question, parts))
      : (ATTACKS[attack]?.forge({ question, victim: 'owner', own }) ?? '');
  return (
    `<!doctype html><form method="post" action="${xmlText(acsUrl)}">` +
    `<input name="SAMLResponse" value="${xmlText(form)}">` +
    `<input name="RelayState" value="${xmlText(query.get('RelayState') ?? '')}"></form>`
  );
}

function wanted(pattern: RegExp, text: string): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`the request has no ${pattern}`);
  return found.replaceAll('&amp;', '&');
}
