import { expect, it } from 'vitest';
import { isRestoredHost } from '#services/operations/restored-host.ts';

const OWN = 'cloudflow-prod.cluster-c1a2b3.us-east-1.rds.amazonaws.com';
const PREFIX = 'cloudflow-prod-restored-';

it.each([
  [OWN, true],
  [`${PREFIX}7f.cluster-c1a2b3.us-east-1.rds.amazonaws.com`, true],
  ['127.0.0.1', false],
  // Of another account, another region, another name, or nobody’s.
  [`${PREFIX}7f.cluster-zzzzzz.us-east-1.rds.amazonaws.com`, false],
  [`${PREFIX}7f.cluster-c1a2b3.eu-west-1.rds.amazonaws.com`, false],
  ['cloudflow-staging.cluster-c1a2b3.us-east-1.rds.amazonaws.com', false],
  [`${PREFIX}7f.example.com`, false],
  [`${PREFIX}7f.cluster-c1a2b3.us-east-1.rds.amazonaws.com.example.com`, false],
  [`example.com/${OWN}`, false],
  ['', false],
])('%s is a place to log in to: %s', (host, may) => {
  expect(isRestoredHost(host, OWN, PREFIX)).toBe(may);
});

it('an address alone has no domain that could be shared', () => {
  expect(isRestoredHost('127.0.0.1', '127.0.0.1', PREFIX)).toBe(true);
  expect(isRestoredHost(`${PREFIX}1`, 'localhost', PREFIX)).toBe(false);
});
