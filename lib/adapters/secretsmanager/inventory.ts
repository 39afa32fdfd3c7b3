import {
  ListSecretsCommand,
  type SecretListEntry,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { OperationFailure } from '#core/operation-failure.ts';
import type { SecretFacts, SecretInventory } from '#ports/recovery.ts';
import { asked } from '../aws/failure.ts';

const PAGE = 100;
const MOST_PAGES = 1_000;

/** What Secrets Manager tells of secrets without opening one: it is asked for lists alone. */
export function createSecretInventory(client: SecretsManagerClient): SecretInventory {
  return {
    async list(prefix) {
      const facts: SecretFacts[] = [];
      let next: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const { SecretList = [], NextToken } = await asked('secrets', () =>
          client.send(
            new ListSecretsCommand({
              Filters: [{ Key: 'name', Values: [prefix] }],
              IncludePlannedDeletion: true,
              MaxResults: PAGE,
              ...(next === undefined ? {} : { NextToken: next }),
            }),
          ),
        );
        facts.push(...SecretList.map(toFacts));
        if (NextToken === undefined) return facts;
        next = NextToken;
      }
      throw new OperationFailure('OutputTooLarge', `more than ${MOST_PAGES * PAGE} secrets`);
    },
  };
}

function toFacts(entry: SecretListEntry): SecretFacts {
  return {
    name: entry.Name ?? '',
    createdAt: at(entry.CreatedDate),
    changedAt: at(entry.LastChangedDate),
    rotatedAt: at(entry.LastRotatedDate),
    nextRotationAt: at(entry.NextRotationDate),
    rotates: entry.RotationEnabled ?? false,
    rotateAfterDays: entry.RotationRules?.AutomaticallyAfterDays ?? null,
    deletedAt: at(entry.DeletedDate),
    primaryRegion: entry.PrimaryRegion ?? null,
  };
}

function at(date: Date | undefined): number | null {
  return date?.getTime() ?? null;
}
