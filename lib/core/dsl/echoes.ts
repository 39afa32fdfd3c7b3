import type { ErrorObject } from 'ajv/dist/2020.js';

/**
 * Ajv reports a failed union and also each branch of it. Where exactly one branch has the type of
 * the value, and the constants that tell shapes apart, that branch says what is wrong; else the union says it
 * alone. What is wrong inside a name is told with the name.
 */
export function withoutEchoes(errors: readonly ErrorObject[]): ErrorObject[] {
  const unions = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf');
  const dropped = new Set<ErrorObject>(
    errors.filter(({ keyword, propertyName }) => keyword !== 'propertyNames' && propertyName),
  );
  for (const union of unions) {
    // Items of one list have their schema in common, and are told apart by where they are.
    const inside = errors.filter(
      ({ schemaPath, instancePath }) =>
        schemaPath.startsWith(`${union.schemaPath}/`) &&
        `${instancePath}/`.startsWith(`${union.instancePath}/`),
    );
    const branchOf = (error: ErrorObject) =>
      error.schemaPath.slice(union.schemaPath.length + 1).split('/')[0] ?? '';
    const branches = Array.isArray(union.schema) ? union.schema.map((_, i) => String(i)) : [];
    const misfits = new Set(inside.filter((error) => isMisfit(error, union)).map(branchOf));
    const fitting = branches.filter((branch) => !misfits.has(branch));
    const speaks = union.keyword === 'anyOf' && fitting.length === 1 ? fitting[0] : null;
    for (const error of inside) if (branchOf(error) !== speaks) dropped.add(error);
    if (speaks !== null) dropped.add(union);
  }
  return errors.filter((error) => !dropped.has(error));
}

/** Whether it says that the value is not meant to be of this branch at all. */
function isMisfit({ keyword, instancePath }: ErrorObject, union: ErrorObject): boolean {
  if (keyword === 'type') return instancePath === union.instancePath;
  const below = instancePath.slice(union.instancePath.length + 1);
  return keyword === 'const' && below !== '' && !below.includes('/');
}
