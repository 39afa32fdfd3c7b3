/**
 * As much of it as is used. Its own types bring those of browsers into every file of the project, as
 * the parser's do (lib/adapters/saml/xmldom.d.ts).
 */
declare module 'samlify/build/index.js' {
  interface Entity {
    readonly entityMeta: {
      getEntityID(): string;
      isWantAssertionsSigned(): boolean;
      getAssertionConsumerService(binding: 'post'): string;
    };
  }
  interface Extracted {
    readonly extract: unknown;
  }
  interface Idp {
    parseLoginRequest(
      provider: Entity,
      binding: 'redirect',
      request: { readonly query: Readonly<Record<string, string>> },
    ): Promise<Extracted>;
    createLoginResponse(
      provider: Entity,
      request: Extracted,
      binding: 'post',
      user: { readonly email: string },
      fill: (template: string) => { readonly id: string; readonly context: string },
    ): Promise<{ readonly context: string }>;
  }

  const samlify: {
    readonly Constants: {
      readonly algorithms: { readonly signature: { readonly RSA_SHA256: string } };
      readonly namespace: { readonly binding: { readonly redirect: string } };
      readonly StatusCode: { readonly Success: string };
    };
    readonly SamlLib: {
      readonly defaultLoginResponseTemplate: { readonly context: string };
      replaceTagsByValue(template: string, tags: Readonly<Record<string, string>>): string;
    };
    IdentityProvider(settings: Readonly<Record<string, unknown>>): Idp;
    ServiceProvider(settings: {
      readonly metadata: string;
      readonly wantMessageSigned: boolean;
    }): Entity;
    setSchemaValidator(validator: { validate(xml: string): Promise<string> }): void;
  };
  // biome-ignore lint/style/noDefaultExport: it is CommonJS, so its export is the default.
  export default samlify;
}
