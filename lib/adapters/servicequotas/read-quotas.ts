import {
  paginateListAWSDefaultServiceQuotas,
  paginateListServiceQuotas,
  type ServiceQuota,
  type ServiceQuotasClient,
} from '@aws-sdk/client-service-quotas';

/** A quota as an account has it. */
export interface AccountQuota {
  readonly code: string;
  readonly name: string;
  readonly value: number;
  readonly adjustable: boolean;
  /** Null: AWS's default, which names no account. */
  readonly account: string | null;
}

/**
 * All quotas of a service. What the account has applied wins over AWS's default; a quota that nobody
 * has asked to raise is, for some services, in the list of defaults alone.
 */
export async function readQuotas(
  client: ServiceQuotasClient,
  service: string,
): Promise<readonly AccountQuota[]> {
  const found = new Map<string, AccountQuota>();
  const keep = (quota: ServiceQuota): void => {
    const { QuotaCode, QuotaName, Value, Adjustable, QuotaArn } = quota;
    if (QuotaCode === undefined || QuotaName === undefined || Value === undefined) return;
    if (found.has(QuotaCode)) return;
    // arn:partition:servicequotas:region:account:service/code
    const account = QuotaArn?.split(':')[4] ?? '';
    found.set(QuotaCode, {
      code: QuotaCode,
      name: QuotaName,
      value: Value,
      adjustable: Adjustable === true,
      account: account === '' ? null : account,
    });
  };
  const config = { client, pageSize: 100 };
  for await (const { Quotas = [] } of paginateListServiceQuotas(config, { ServiceCode: service })) {
    Quotas.forEach(keep);
  }
  for await (const { Quotas = [] } of paginateListAWSDefaultServiceQuotas(config, {
    ServiceCode: service,
  })) {
    Quotas.forEach(keep);
  }
  return [...found.values()];
}
