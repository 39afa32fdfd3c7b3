import { LRUCache } from 'lru-cache';
import { MAX_INPUT_BYTES } from '#config/api-limits.ts';
import { createInputValidator } from '#core/dsl/input-schema.ts';
import { CloudFlowError, type Problem } from '#core/errors.ts';
import { type Json, jsonBytes } from '#core/json.ts';
import type { Program } from '#core/plan/program.ts';

/** Compiling a schema takes a thousand times as long as running it. Programs are named by content. */
const validators = new LRUCache<string, (input: Json) => Problem[]>({ max: 500 });

/** Throws when a program cannot be started with this input. Pointers begin with `/body/input`. */
export function checkInput(program: Program, input: Json): void {
  const bytes = jsonBytes(input);
  if (bytes > MAX_INPUT_BYTES) {
    throw new CloudFlowError(
      'PAYLOAD_TOO_LARGE',
      `the input has ${bytes} bytes; use at most ${MAX_INPUT_BYTES}, and a reference for more`,
    );
  }
  if (program.inputSchema === null) return;
  let validate = validators.get(program.hash);
  if (validate === undefined) {
    validate = createInputValidator(program.inputSchema);
    validators.set(program.hash, validate);
  }
  const problems = validate(input);
  if (problems.length > 0) {
    throw new CloudFlowError(
      'INPUT_INVALID',
      "the input does not fit the workflow's input_schema",
      {
        problems: problems.map((each) => ({ ...each, pointer: `/body/input${each.pointer}` })),
      },
    );
  }
}
