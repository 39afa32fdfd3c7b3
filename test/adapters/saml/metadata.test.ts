import { generateServiceProviderMetadata } from '@node-saml/node-saml';
import { expect, it } from 'vitest';
import { samlMetadata } from '#adapters/saml/metadata.ts';
import { digest } from '#adapters/saml/names.ts';

it.each(['https://api.example/api/v1/auth/sso/acme/idp/acs', 'https://a.example/"<&>/acs'])(
  'metadata of %s is what node-saml would write, but for a prefix that nothing uses',
  (acsUrl) => {
    const issuer = acsUrl.replace(/acs$/, 'metadata');
    const theirs = generateServiceProviderMetadata({
      ...{ issuer, callbackUrl: acsUrl, identifierFormat: null, wantAssertionsSigned: true },
      generateUniqueId: () => `_${digest(issuer)}`,
    });
    // A bracket that closes nothing may stand in an attribute either way.
    expect(samlMetadata(acsUrl).replaceAll('&gt;', '>')).toBe(
      theirs.replace(' xmlns:ds="http://www.w3.org/2000/09/xmldsig#"', '').replaceAll('&gt;', '>'),
    );
  },
);
