export type Xml = string | number | boolean | null | readonly [string, Xml[]] | XmlObject;
export interface XmlObject {
  readonly [name: string]: Xml | undefined;
}

/** Members of an object in order; `[name, items]` repeats an element. */
export function xml(value: Xml | undefined): string {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) {
    const [name, items] = value as unknown as readonly [string, Xml[]];
    return items.map((item) => `<${name}>${xml(item)}</${name}>`).join('');
  }
  if (typeof value !== 'object') {
    return String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
  }
  return Object.entries(value as XmlObject)
    .filter(([, member]) => member !== undefined && member !== null)
    .map(([name, member]) => `<${name}>${xml(member)}</${name}>`)
    .join('');
}

export function xmlError(status: number, code: string, message: string) {
  return {
    status,
    type: 'text/xml',
    body: `<ErrorResponse>${xml({ Error: { Type: 'Sender', Code: code, Message: message }, RequestId: 'x' })}</ErrorResponse>`,
  };
}
