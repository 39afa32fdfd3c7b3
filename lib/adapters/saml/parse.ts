import parser, { type XmlElement, type XmlNode } from '@xmldom/xmldom/lib/dom-parser.js';
import { Refused } from './refusal.ts';

/**
 * From a form field to a tree, without letting any of it do harm:
 *
 *  P1 what could mean two things to two readers is refused as text, before any parser sees it: a
 *     document type (and with it every entity), comments, CDATA, processing instructions;
 *  P2 size, elements and depth are bounded before anything recursive walks the tree;
 *  P3 the parser forgives nothing: its warnings are refusals too.
 *
 * The parser must be the one that node-saml and xml-crypto use, so that all see the same tree.
 */
export const MAX_BYTES = 262_144;
/**
 * Whoever may begin a sign-in may have as much as this looked at. With four certificates that all do not
 * fit, 1,000 elements cost 0.3 s of a core, 4,000 1.1 s; an honest answer costs 0.04 s.
 */
const MAX_ELEMENTS = 1_000;
const MAX_NAMESPACES = 2_000;
const MAX_DEPTH = 32;
const MAX_ATTRIBUTES = 64;

const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const DECLARATION =
  /^<\?xml version="1\.0"(?: encoding="(?:UTF|utf)-8")?(?: standalone="(?:yes|no)")?\s*\?>/;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a SAMLResponse. Lines may be broken, as MIME does. Throws Refused. */
export function decodeField(encoded: string): string {
  // Four characters are three bytes, and a line break stands after 64 of them at the shortest.
  if (encoded.length > MAX_BYTES * 1.5) throw new Refused('too_large');
  const compact = encoded.replaceAll(/[\r\n]/g, '');
  if (compact.length % 4 !== 0 || !BASE64.test(compact)) throw new Refused('not_base64');
  const bytes = Buffer.from(compact, 'base64');
  if (bytes.length > MAX_BYTES) throw new Refused('too_large');
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Refused('not_utf8');
  }
}

/** Throws Refused. */
export function parseXml(text: string): XmlElement {
  const body = text.replace(DECLARATION, '');
  if (/<[!?]/.test(body)) throw new Refused('forbidden_markup');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: XML has no place for them
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(body))
    throw new Refused('not_xml');
  if (countOf(body, '<') > MAX_ELEMENTS * 2) throw new Refused('too_complex');
  if (countOf(body, 'xmlns') > MAX_NAMESPACES) throw new Refused('too_complex');
  const root = parse(body);
  checkTree(root);
  return root;
}

function parse(text: string): XmlElement {
  const refuse = () => {
    throw new Refused('not_xml');
  };
  let document: XmlNode | undefined;
  try {
    document = new parser.DOMParser({
      errorHandler: { warning: refuse, error: refuse, fatalError: refuse },
    }).parseFromString(text, 'text/xml');
  } catch {
    throw new Refused('not_xml');
  }
  let root: XmlElement | null = null;
  for (let node = document?.firstChild ?? null; node !== null; node = node.nextSibling) {
    if (isElement(node) && root === null) root = node;
    else if (!isText(node) || node.nodeValue?.trim() !== '') throw new Refused('not_xml');
  }
  if (root === null) throw new Refused('not_xml');
  return root;
}

/** Without recursion, for it is what makes recursion safe. */
function checkTree(root: XmlElement): void {
  let node: XmlNode = root;
  let depth = 1;
  let elements = 0;
  while (true) {
    if (isElement(node)) {
      elements += 1;
      if (elements > MAX_ELEMENTS || depth > MAX_DEPTH || node.attributes.length > MAX_ATTRIBUTES) {
        throw new Refused('too_complex');
      }
    } else if (!isText(node)) throw new Refused('forbidden_markup');
    if (node.firstChild !== null) {
      node = node.firstChild;
      depth += 1;
      continue;
    }
    while (node !== root && node.nextSibling === null) {
      node = node.parentNode as XmlNode;
      depth -= 1;
    }
    if (node === root) return;
    node = node.nextSibling as XmlNode;
  }
}

function countOf(text: string, what: string): number {
  let count = 0;
  for (let at = text.indexOf(what); at !== -1; at = text.indexOf(what, at + what.length))
    count += 1;
  return count;
}

const ELEMENT = 1;
const TEXT = 3;

export function isElement(node: XmlNode): node is XmlElement {
  return node.nodeType === ELEMENT;
}

function isText(node: XmlNode): boolean {
  return node.nodeType === TEXT;
}

/** The elements directly in one. */
export function childrenOf(element: XmlElement): XmlElement[] {
  const found: XmlElement[] = [];
  for (let node = element.firstChild; node !== null; node = node.nextSibling) {
    if (isElement(node)) found.push(node);
  }
  return found;
}

/** The element and all in it, in the order of the document. */
export function* allOf(element: XmlElement): Generator<XmlElement> {
  yield element;
  for (const child of childrenOf(element)) yield* allOf(child);
}
