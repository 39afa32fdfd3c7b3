/**
 * Backups written out for years: files in a bucket that need no database to be read.
 *
 *  A1 an export is named after its execution, so repeating is finding.
 */
import * as Type from 'typebox';
import type { HomeFacts } from '#config/recovery.ts';
import { instant } from '#core/execution/bindings.ts';
import { sha256Hex } from '#core/hash.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import { keyOf, overwrite } from './notes.ts';
import { type HomeWorld, operationsOf } from './operation.ts';

const operation = operationsOf<HomeWorld>();

const ENDED_BADLY = ['FAILED', 'CANCELING', 'CANCELED'];
const backup = {
  recovery_point: Type.String({ minLength: 1 }),
  /** When it was made. */
  at: Type.String({ pattern: '^\\d{4}-\\d\\d-\\d\\dT' }),
};

export const ARCHIVES = {
  'archive.begin': operation({
    about: 'has a backup written out as files',
    effect: 'archive',
    parameters: backup,
    async perform({ archives, facts }, { recovery_point, at }, { executionId }) {
      const id = taskOf(facts, executionId);
      const { bucket, role, key } = facts.archive;
      await archives.begin({ id, of: recovery_point, bucket, prefix: folderOf(at), role, key });
      return { task: id };
    },
  }),

  'archive.look': operation({
    about: 'how far the files are written',
    effect: 'look',
    parameters: {},
    async perform({ archives, facts }, _, { executionId }) {
      const id = taskOf(facts, executionId);
      const task = await archives.find(id);
      if (task === null) throw new OperationFailure('NotFound', `there is no export ${id}`);
      if (ENDED_BADLY.includes(task.status)) {
        // Why stands in the console of RDS: what it says may name tables.
        throw new OperationFailure('Rejected', `the export ${id} is ${task.status}`);
      }
      const { status, percent, gigabytes } = task;
      return { task: id, status, percent, gigabytes, done: status === 'COMPLETE' };
    },
  }),

  'archive.note': operation({
    about: 'writes down which backup was written out, and where',
    effect: 'note',
    parameters: backup,
    async perform({ documents, facts, clock }, { recovery_point, at }, call) {
      const task = taskOf(facts, call.executionId);
      const written = { bucket: facts.archive.bucket, prefix: `${folderOf(at)}/${task}/` };
      const key = keyOf('archives', 'archive', clock.now(), call);
      await overwrite(documents, key, {
        at: instant(clock.now()),
        region: facts.region,
        backup: { recovery_point, at },
        ...written,
      });
      return { key, ...written };
    },
  }),
} as const;

/** By the month of the backup, whenever it is written out. */
function folderOf(at: string): string {
  return at.slice(0, 'yyyy-mm'.length).replace('-', '/');
}

function taskOf({ stage }: HomeFacts, executionId: string): string {
  return `cloudflow-${stage}-archive-${sha256Hex(executionId).slice(0, 12)}`;
}
