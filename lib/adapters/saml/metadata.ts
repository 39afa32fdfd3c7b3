import { attribute } from './authn-request.ts';
import { digest, entityIdOf } from './names.ts';

/** What an identity provider reads to know us as its service provider, by the address that it answers to. */
export function samlMetadata(acsUrl: string): string {
  const issuer = entityIdOf(acsUrl);
  return [
    '<?xml version="1.0"?>',
    `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="${attribute(issuer)}" ID="_${digest(issuer)}">`,
    '  <SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol" AuthnRequestsSigned="false" WantAssertionsSigned="true">',
    `    <AssertionConsumerService index="1" isDefault="true" Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="${attribute(acsUrl)}"/>`,
    '  </SPSSODescriptor>',
    '</EntityDescriptor>',
  ].join('\n');
}
