import { deflateRawSync } from 'node:zlib';

export interface AuthnRequest {
  /** Of this sign-in: the answer must name it. */
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Who we are to the identity provider. */
  readonly entityId: string;
  /** Where the answer is to be sent, as a form. */
  readonly acsUrl: string;
  /** Where the identity provider takes requests (HTTP-Redirect). */
  readonly ssoUrl: string;
  /** Comes back with the answer; at most 80 bytes. */
  readonly relayState: string;
}

/** Where to send a browser so that it is asked to sign in: the binding HTTP-Redirect of SAML 2.0. */
export function authnRequestUrl(request: AuthnRequest): string {
  const { id, now, entityId, acsUrl, ssoUrl, relayState } = request;
  const xml =
    '<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"' +
    ` ID="${attribute(id)}" Version="2.0" IssueInstant="${new Date(now).toISOString()}"` +
    ` Destination="${attribute(ssoUrl)}" AssertionConsumerServiceURL="${attribute(acsUrl)}"` +
    ' ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST">' +
    '<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">' +
    `${attribute(entityId)}</saml:Issuer></samlp:AuthnRequest>`;
  const url = new URL(ssoUrl);
  url.searchParams.set('SAMLRequest', deflateRawSync(xml).toString('base64'));
  url.searchParams.set('RelayState', relayState);
  return url.href;
}

/** Text within quotes of an attribute. */
export function attribute(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
