import { entriesOf, type Rule, stackOf } from './view.ts';

/** What is made anew where the platform serves next. */
const NOT_COPIED = ['platform/cache-nobody'];

export const SECRETS: Rule = {
  name: 'keeps what whoever takes over must read in the region that waits too, sealed with its key',
  problems(made) {
    const { stage, account, standby } = made.settings;
    const named = made.ofType('AWS::SecretsManager::Secret').map(({ Properties }) => Properties);
    const seals = entriesOf(made, 'AWS::KMS::ReplicaKey').filter(
      ([id]) => stackOf(id) === 'StandbyStores',
    );
    if (standby === null) {
      return [
        ...named.flatMap(({ Name, ReplicaRegions }) =>
          ReplicaRegions === undefined ? [] : [`${String(Name)} has a copy, and no region waits`],
        ),
        ...(seals.length === 0 ? [] : ['a key has a copy, and no region waits']),
      ];
    }
    const wanted = JSON.stringify([
      {
        KmsKeyId: `arn:aws:kms:${standby.region}:${account}:alias/cloudflow/${stage}/data`,
        Region: standby.region,
      },
    ]);
    const copies = named.flatMap(({ Name, ReplicaRegions }) => {
      const own = String(Name).replace(`cloudflow/${stage}/`, '');
      const there = JSON.stringify(ReplicaRegions ?? null);
      if (NOT_COPIED.includes(own)) return there === 'null' ? [] : [`${own} need not be copied`];
      return there === wanted ? [] : [`${own} has no copy where the platform would be next`];
    });
    const [primary] = entriesOf(made, 'AWS::KMS::Key').filter(([id]) =>
      id.startsWith('Identity/SigningKey'),
    );
    return [
      ...copies,
      ...(primary?.[1].Properties['MultiRegion'] === true
        ? []
        : ['what seals keys that sign is of one region']),
      ...(seals.length === 1 &&
      JSON.stringify(seals[0]?.[1].Properties['PrimaryKeyArn']).includes('SigningKey')
        ? []
        : ['what seals keys that sign has no copy where the platform would be next']),
    ];
  },
};
