/**
 * Every operation of the platform on itself, by name, and the one way to perform one.
 *
 *  O1 parameters are of the operation's schema, or nothing is done.
 *  O2 a `takeover` is performed only where a person has approved this very execution.
 *  O3 what AWS refuses is the failure of the step, under a name of the language; what is no
 *     `OperationFailure` is a fault of ours and is thrown.
 */
import { validatePiece } from '#core/dsl/validate.ts';
import { isJsonObject } from '#core/json.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import type { PlatformOperations } from '#ports/platform-operations.ts';
import { ARCHIVES } from './archives.ts';
import { INVENTORIES } from './inventories.ts';
import { NOTES } from './notes.ts';
import type { Catalog, HomeWorld, Operation, StandbyWorld, World } from './operation.ts';
import { REPORTS } from './reports.ts';
import { RESTORE } from './restore.ts';
import { TAKEOVER } from './takeover.ts';

/** What the function in each region can do, and nothing of the other's. */
export const HOME_OPERATIONS = {
  ...RESTORE,
  ...ARCHIVES,
  ...REPORTS,
  ...INVENTORIES,
  ...NOTES,
} as const satisfies Catalog<HomeWorld>;

export const STANDBY_OPERATIONS = {
  ...TAKEOVER,
  ...NOTES,
} as const satisfies Catalog<StandbyWorld>;

export function createPlatformOperations<W extends World>(
  catalog: Catalog<W>,
  world: W,
  isApproved: (executionId: string) => Promise<boolean>,
): PlatformOperations {
  return {
    async perform({ operation: name, parameters, executionId, idempotencyKey }) {
      try {
        const operation = find(catalog, name);
        const given = isJsonObject(parameters) ? parameters : null;
        const problems =
          given === null
            ? [{ pointer: '', message: 'parameters are no object' }]
            : validatePiece(operation.parameters, given, '').problems;
        if (problems.length > 0) {
          const said = problems.map(({ pointer, message }) => `${pointer || '/'}: ${message}`);
          throw new OperationFailure('InvalidConfig', `${name}: ${said.join('; ')}`);
        }
        if (operation.effect === 'takeover' && !(await isApproved(executionId))) {
          throw new OperationFailure('PermissionDenied', `${name}: nobody has approved it`);
        }
        // One cast: the schema of this very operation has just been held against them.
        const result = await operation.perform(world, given as never, {
          executionId,
          idempotencyKey,
        });
        return { ok: true, result };
      } catch (error) {
        if (!(error instanceof OperationFailure)) throw error;
        return { ok: false, error: error.error };
      }
    },
  };
}

function find<W extends World>(catalog: Catalog<W>, name: string): Operation<W> {
  const found = Object.hasOwn(catalog, name) ? catalog[name] : undefined;
  if (found === undefined) {
    throw new OperationFailure('InvalidConfig', `there is no operation '${name}' here`);
  }
  return found;
}
