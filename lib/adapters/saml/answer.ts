/** What was signed. Times are milliseconds since 1970; null: it does not say. */
export interface SamlAnswer {
  /** The library that verified the signatures would not take it, for a reason of its own: nobody may. */
  readonly doubted: boolean;
  readonly issuer: string;
  readonly destination: string | null;
  readonly inResponseTo: string | null;
  readonly assertion: {
    readonly id: string;
    readonly issuer: string;
    readonly subject: { readonly nameId: string; readonly format: string | null } | null;
    readonly confirmations: readonly SamlConfirmation[];
    readonly notBefore: number | null;
    readonly notOnOrAfter: number | null;
    /** Each restriction must name us: it lists who may rely on the assertion. */
    readonly audiences: readonly (readonly string[])[];
    readonly authn: readonly SamlAuthn[];
    /** Attributes whose values are plain text, by name. */
    readonly attributes: ReadonlyMap<string, readonly string[]>;
  };
}

export interface SamlConfirmation {
  readonly method: string;
  readonly recipient: string | null;
  readonly inResponseTo: string | null;
  readonly notBefore: number | null;
  readonly notOnOrAfter: number | null;
}

export interface SamlAuthn {
  readonly instant: number;
  readonly contextClass: string | null;
  readonly sessionNotOnOrAfter: number | null;
}

/** Why an answer is not taken: for the audit trail and whoever set the provider up, not for who sent it. */
export const SAML_REFUSALS = {
  too_large: 'it is larger than 256 KiB',
  not_base64: 'it is not base64',
  not_utf8: 'it is not text in UTF-8',
  forbidden_markup: 'it holds a document type, a comment, CDATA or a processing instruction',
  too_complex: 'it has too many elements, or nests too deeply',
  not_xml: 'it is not well-formed XML',
  not_a_response: 'it is not a response of SAML 2.0',
  provider_refused: 'the identity provider says that it could not sign the user in',
  encrypted: 'a part of it is encrypted',
  assertion_count: 'it does not hold exactly one assertion, in its place',
  unexpected_element: 'an element is missing, or is where none of its name may be',
  duplicate_id: 'two elements have the same id, or an id is none',
  signature_missing: 'the response and the assertion are not both signed',
  signature_shape: 'a signature is not of the one form that is read',
  algorithm: 'a signature uses an algorithm that is not taken',
  certificate_expired: 'no certificate of the provider is within its time',
  signature_wrong: 'a signature does not fit what it stands in, or is of another key',
  unreadable_time: 'a time is not one in UTC',
  wrong_issuer: 'it is of another identity provider',
  wrong_destination: 'it was sent to somebody else',
  wrong_audience: 'it is for somebody else to rely on',
  wrong_request: 'it does not answer the request of this sign-in',
  wrong_recipient: 'its bearer may not bring it here',
  not_bearer: 'its subject is not confirmed by bringing it',
  not_yet_valid: 'its time has not come',
  expired: 'its time is over',
  no_subject: 'it does not say who has signed in',
  replayed: 'it was taken before',
  doubted: 'the library that reads it refuses it',
} as const satisfies Record<string, string>;

export type SamlRefusal = keyof typeof SAML_REFUSALS;

/** What an answer must say to be taken. */
export interface SamlExpectation {
  /** Entity id of the identity provider, compared letter by letter. */
  readonly issuer: string;
  /** Who we are to it. */
  readonly entityId: string;
  /** Where it sends its answers. */
  readonly acsUrl: string;
  /** Of the request of this sign-in: an answer that nobody asked for names none. */
  readonly requestId: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}
