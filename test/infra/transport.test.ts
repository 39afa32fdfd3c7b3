import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { PROXY_BORROW_SECONDS, waitingFunctions } from '#config/database-wait.ts';
import { functionNames, functionSpec } from '#config/functions.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { API_ACCESS_MODE, API_SECURITY_POLICY, HOPS, type Hop } from '#config/transport.ts';
import { buildPlatform } from '#stacks/platform.ts';
import { ROOT } from '../../bin/build/bundle.ts';
import { TRANSPORT } from './rules/transport.ts';
import { synthesiseParts, withResources } from './synth.ts';

/** Prod with a domain of its own, which no stage has in the settings of this repository. */
function prodAtADomain() {
  const prod = readStageSettings({ stage: 'prod', account: undefined }, {});
  const certificateArn = `arn:aws:acm:${prod.region}:${prod.account}:certificate/1`;
  const domain = { name: 'api.cloudflow.example', certificateArn };
  const settings = { ...prod, api: { ...prod.api, domain } };
  return synthesiseParts(settings, (app) => buildPlatform(app, settings, inject('dist')));
}

describe('what is spoken between programs', () => {
  it('clients speak TLS 1.3 with the API and with its domain, and nothing older', () => {
    const made = prodAtADomain();
    expect(made.findings).toEqual([]);
    expect(made.ofType('AWS::ApiGateway::DomainName')).toHaveLength(1);
    expect(TRANSPORT.problems(made)).toEqual([]);
    for (const type of ['AWS::ApiGateway::RestApi', 'AWS::ApiGateway::DomainName']) {
      const older = [...made.resources].map(([id, resource]) => {
        const Properties = { ...resource.Properties, SecurityPolicy: 'TLS_1_2' };
        return [id, resource.Type === type ? { ...resource, Properties } : resource] as const;
      });
      expect(TRANSPORT.problems(withResources(made, new Map(older)))).toEqual([
        expect.stringContaining('clients to the REST API: Api/'),
      ]);
    }
    const [api] = made.ofType('AWS::ApiGateway::RestApi');
    expect(api!.Properties).toMatchObject({
      DisableExecuteApiEndpoint: true,
      SecurityPolicy: API_SECURITY_POLICY,
      EndpointAccessMode: API_ACCESS_MODE,
    });
  });

  it('what is older than TLS 1.3 says why', () => {
    for (const hop of Object.values<Hop>(HOPS)) {
      expect([hop.by, hop.since !== undefined]).toEqual([hop.by, hop.least !== '1.3']);
    }
  });

  it('docs/transport.md has the table', () => {
    const page = join(ROOT, 'docs/transport.md');
    const text = existsSync(page) ? readFileSync(page, 'utf8') : '';
    const mark = '<!-- written by test/infra/transport.test.ts with UPDATE_DOCS=1 -->\n';
    const at = text.indexOf(mark);
    expect(at).toBeGreaterThan(0);
    const rows = Object.entries<Hop>(HOPS).map(
      ([name, { least, by, since }]) =>
        `| ${name} | ${least === 'none' ? 'none' : `TLS ${least}`} | ${by} | ${since ?? ''} |\n`,
    );
    const head =
      '| from, to | at least | because of | why not newer |\n| --- | --- | --- | --- |\n';
    const wanted = `${text.slice(0, at + mark.length)}\n${head}${rows.join('')}`;
    if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, wanted);
    else expect(text).toBe(wanted);
  });
});

describe('how long programs wait for a connection of the proxy', () => {
  it('is 30 seconds, but what the gateway leaves to functions of the API', () => {
    expect(PROXY_BORROW_SECONDS).toBe(25);
    const made = prodAtADomain();
    const pools = made
      .ofType('AWS::RDS::DBProxyTargetGroup')
      .map(({ Properties }) => Properties['ConnectionPoolConfigurationInfo']);
    expect(pools.length).toBeGreaterThan(0);
    for (const pool of pools) {
      expect(pool).toMatchObject({ ConnectionBorrowTimeout: PROXY_BORROW_SECONDS });
    }
  });

  it('leaves every function time to say that it got none', () => {
    const logsIn = functionNames.filter((name) =>
      functionSpec(name).can.some((each) => each.startsWith('postgres:')),
    );
    for (const name of logsIn) {
      const { timeoutSeconds, databaseWaitSeconds } = functionSpec(name);
      const waits = databaseWaitSeconds ?? PROXY_BORROW_SECONDS;
      expect([name, timeoutSeconds - waits >= 2]).toEqual([name, true]);
      expect(waitingFunctions.includes(name)).toBe(databaseWaitSeconds === undefined);
    }
  });
});
