import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseTrace, traceHeaders, traceOfHeaders, traceText } from '#core/trace.ts';

const ID = '5759e988bd862e3fe1be46a994272793';
const PARENT = '53995c3f42cd8ad8';
const XRAY = `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=${PARENT};Sampled=1`;

it.each<[string, string, ReturnType<typeof parseTrace>]>([
  ['as API Gateway writes it', XRAY, { id: ID, parent: PARENT, sampled: true }],
  [
    'in another order, with spaces and words of others',
    `Self=1-5759e988-000000000000000000000000; sampled=0; root=1-5759e988-${ID.slice(8)};Lineage=a:1`,
    { id: ID, parent: null, sampled: false },
  ],
  [
    'with a parent that is none',
    `Root=1-5759e988-${ID.slice(8)};Parent=0000000000000000;Sampled=1`,
    { id: ID, parent: null, sampled: true },
  ],
  ['without a root', `Parent=${PARENT};Sampled=1`, null],
  ['with a root of another form', `Root=2-5759e988-${ID.slice(8)}`, null],
  ['that is too long', `Root=1-5759e988-${ID.slice(8)};${'x'.repeat(300)}`, null],
  ['that is empty', '', null],
])('a header of X-Ray %s is read', (_, text, trace) => {
  expect(parseTrace(text)).toEqual(trace);
});

it.each<[string, string, ReturnType<typeof parseTrace>]>([
  ['recorded', `00-${ID}-${PARENT}-01`, { id: ID, parent: PARENT, sampled: true }],
  ['not recorded', `00-${ID}-${PARENT}-00`, { id: ID, parent: PARENT, sampled: false }],
  ['of a later version', `cc-${ID}-${PARENT}-01-more`, { id: ID, parent: PARENT, sampled: true }],
  ['of no trace', `00-${'0'.repeat(32)}-${PARENT}-01`, null],
  ['of no parent', `00-${ID}-${'0'.repeat(16)}-01`, null],
  ['in capitals', `00-${ID.toUpperCase()}-${PARENT}-01`, null],
])('a traceparent %s is read', (_, traceparent, trace) => {
  expect(traceOfHeaders({ traceparent })).toEqual(trace);
});

it('X-Ray’s header comes before the other, unless nothing can be read in it', () => {
  const traceparent = `00-${'a'.repeat(32)}-${PARENT}-01`;
  expect(traceOfHeaders({ 'x-amzn-trace-id': XRAY, traceparent })?.id).toBe(ID);
  expect(traceOfHeaders({ 'x-amzn-trace-id': 'junk', traceparent })?.id).toBe('a'.repeat(32));
  expect(traceOfHeaders({})).toBeNull();
});

it('what is sent along is read again as it was, by either header', () => {
  const hex = (length: number) =>
    fc
      .array(fc.integer({ min: 0, max: 15 }), { minLength: length, maxLength: length })
      .map((digits) => `1${digits.map((digit) => digit.toString(16)).join('')}`.slice(0, length));
  fc.assert(
    fc.property(hex(32), hex(16), fc.boolean(), (id, parent, sampled) => {
      const trace = { id, parent, sampled };
      const headers = traceHeaders(trace);
      expect(parseTrace(traceText(trace))).toEqual(trace);
      expect(traceOfHeaders(headers)).toEqual(trace);
      expect(traceOfHeaders({ traceparent: headers['traceparent'] })).toEqual(trace);
    }),
  );
  expect(traceHeaders(null)).toEqual({});
  expect(Object.keys(traceHeaders({ id: ID, parent: null, sampled: true }))).toEqual([
    'x-amzn-trace-id',
  ]);
});

it('no text makes it fail', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (text, other) => {
      traceOfHeaders({ 'x-amzn-trace-id': `Root=${text};${other}`, traceparent: other });
    }),
  );
});
