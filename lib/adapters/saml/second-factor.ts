import type { SamlAnswer } from './answer.ts';

/** Classes of authentication that are more than one factor, by whoever defined them. */
const CLASSES: ReadonlySet<string> = new Set([
  'https://refeds.org/profile/mfa',
  'http://schemas.microsoft.com/claims/multipleauthn',
  'urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorContract',
  'urn:oasis:names:tc:SAML:2.0:ac:classes:MobileTwoFactorUnregistered',
  'urn:oasis:names:tc:SAML:2.0:ac:classes:SmartcardPKI',
]);

/** Where Entra ID and AD FS list how somebody signed in, while their class says `Password`. */
const METHODS = 'http://schemas.microsoft.com/claims/authnmethodsreferences';

/** Whether somebody proved more than one factor, in words that are known; whether it counts is the tenant's. */
export function provesSecondFactor({
  authn,
  attributes,
}: Pick<SamlAnswer['assertion'], 'authn' | 'attributes'>): boolean {
  const said = [
    ...authn.flatMap(({ contextClass }) => (contextClass === null ? [] : [contextClass])),
    ...(attributes.get(METHODS) ?? []),
  ];
  return said.some((each) => CLASSES.has(each));
}
