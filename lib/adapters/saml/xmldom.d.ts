/**
 * As much of the parser as is used. Its own types bring those of browsers into every file of the
 * project, where `fetch` and `Event` would then mean something else.
 */
declare module '@xmldom/xmldom/lib/dom-parser.js' {
  export interface XmlNode {
    readonly nodeType: number;
    readonly nodeName: string;
    readonly nodeValue: string | null;
    readonly textContent: string | null;
    readonly parentNode: XmlNode | null;
    readonly firstChild: XmlNode | null;
    readonly nextSibling: XmlNode | null;
  }

  export interface XmlAttribute {
    readonly localName: string | null;
    readonly value: string;
  }

  export interface XmlElement extends XmlNode {
    /** Undefined: the element was made without namespaces. */
    readonly localName: string | undefined;
    readonly namespaceURI: string | null;
    readonly attributes: { readonly length: number; item(at: number): XmlAttribute | null };
    hasAttribute(name: string): boolean;
    /** Empty: it has none of the name. */
    getAttribute(name: string): string;
  }

  interface Options {
    readonly errorHandler: Readonly<Record<'warning' | 'error' | 'fatalError', () => void>>;
  }

  const parser: {
    readonly DOMParser: new (
      options: Options,
    ) => { parseFromString(text: string, type: 'text/xml'): XmlNode | undefined };
  };
  // biome-ignore lint/style/noDefaultExport: it is CommonJS, so its export is the default.
  export default parser;
}
