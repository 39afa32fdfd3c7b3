import { ServiceQuotasClient } from '@aws-sdk/client-service-quotas';
import { type AccountQuota, readQuotas } from '#adapters/servicequotas/read-quotas.ts';
import { type QuotaNeed, quotaNeeds } from '#config/quotas.ts';
import {
  PLACEHOLDER_ACCOUNT,
  readStageSettings,
  regionsOf,
  type StageSettings,
} from '#config/stage-settings.ts';
import { CliError } from '../cli-error.ts';
import { table } from '../output/table.ts';
import type { Terminal } from '../output/terminal.ts';

export interface PreflightOptions {
  readonly stage: string;
  readonly account?: string;
}

type Asked = Pick<StageSettings, 'account'> & { readonly region: string };

interface Finding {
  readonly need: QuotaNeed;
  /** Null: the account has no quota of this name. */
  readonly has: number | null;
  readonly code: string | null;
  readonly enough: boolean;
}

/**
 * `cloudflow preflight`: true when the account allows all that the stage needs, in every region that the
 * stage is deployed to. Changes nothing.
 */
export async function preflight(terminal: Terminal, options: PreflightOptions): Promise<boolean> {
  const settings = settingsOf(options);
  const regions = regionsOf(settings);
  const findings: Finding[] = [];
  for (const region of regions) findings.push(...(await findIn(region, settings)));
  const short = findings.filter(({ enough }) => !enough);
  if (terminal.json) {
    terminal.document({
      stage: settings.stage,
      regions,
      ok: short.length === 0,
      quotas: findings.map((finding) => ({
        region: finding.need.region,
        service: finding.need.service,
        code: finding.code,
        name: finding.need.name,
        needed: finding.need.needed,
        has: finding.has,
        enough: finding.enough,
        about: finding.need.about,
        ask: finding.enough ? null : askFor(finding),
      })),
    });
  } else terminal.out(textOf(terminal, findings, settings));
  return short.length === 0;
}

function settingsOf({ stage, account }: PreflightOptions): StageSettings {
  try {
    return readStageSettings({ stage, account }, process.env);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CliError('usage', 'USAGE', error.message);
  }
}

async function findIn(region: string, settings: StageSettings): Promise<readonly Finding[]> {
  const needs = quotaNeeds(settings).filter((need) => need.region === region);
  const services = [...new Set(needs.map(({ service }) => service))];
  const quotas = new Map<string, readonly AccountQuota[]>();
  const client = new ServiceQuotasClient({ region });
  const asked: Asked = { region, account: settings.account };
  try {
    // One after the other: Service Quotas answers few questions a second.
    for (const service of services) quotas.set(service, await read(client, service, asked));
  } finally {
    client.destroy();
  }
  return needs.map((need) => {
    const found = (quotas.get(need.service) ?? []).find(({ code, name }) =>
      need.code === null ? name === need.name : code === need.code,
    );
    return {
      need,
      has: found?.value ?? null,
      code: found?.code ?? need.code,
      enough: found !== undefined && found.value >= need.needed,
    };
  });
}

async function read(
  client: ServiceQuotasClient,
  service: string,
  { account, region }: Asked,
): Promise<readonly AccountQuota[]> {
  let quotas: readonly AccountQuota[];
  try {
    quotas = await readQuotas(client, service);
  } catch (error) {
    const { name, message } = error as Error;
    throw new CliError(
      'refused',
      'UNAVAILABLE',
      `Service Quotas of ${region} did not tell the quotas of ${service}: ${name}: ${message}`,
    );
  }
  const other = quotas.find((quota) => quota.account !== null && quota.account !== account);
  if (other !== undefined && account !== PLACEHOLDER_ACCOUNT) {
    throw new CliError(
      'usage',
      'ACCOUNT_MISMATCH',
      `the credentials are of account ${other.account}, the stage names ${account}; use credentials of that account`,
    );
  }
  return quotas;
}

function askFor({ need, code }: Finding): string | null {
  if (!need.canBeAskedFor || code === null) return null;
  return `aws service-quotas request-service-quota-increase --region ${need.region} --service-code ${need.service} --quota-code ${code} --desired-value ${need.needed}`;
}

function textOf(
  terminal: Terminal,
  findings: readonly Finding[],
  { stage }: StageSettings,
): string {
  const number = (value: number): string => value.toLocaleString('en-US');
  const rows = findings.map(({ need, has, enough }) => [
    `${enough ? '✓' : '✗'} ${need.region}`,
    need.service,
    need.name,
    number(need.needed),
    has === null ? 'not told' : number(has),
    need.about,
  ]);
  const short = findings.filter(({ enough }) => !enough);
  const asks = short.map(
    (finding) =>
      askFor(finding) ??
      `${finding.need.name} in ${finding.need.region}: cannot be asked for by itself; AWS raises it with the quota it follows`,
  );
  const verdict =
    short.length === 0
      ? `${terminal.style('green', '✓')} the account allows what stage ${stage} needs\n`
      : `${terminal.style('red', '✗')} ask for these before you deploy stage ${stage}; AWS takes hours to days:\n${asks.map((ask) => `  ${ask}\n`).join('')}`;
  return `${table(terminal, ['REGION', 'SERVICE', 'QUOTA', 'NEEDED', 'HAS', 'FOR'], rows)}${verdict}`;
}
