import { addedFunctions, awsFunctions } from '#core/expr/added-functions.ts';
import type { FunctionContext, FunctionDefinition } from '#core/expr/function-context.ts';
import type { Dialect } from '#core/expr/limits.ts';
import { listFunctions } from '#core/expr/list-functions.ts';
import { pictureFunctions } from '#core/expr/picture-functions.ts';
import { textFunctions } from '#core/expr/text-functions.ts';

// The functions that jsonata 2.2.2 lacks, answers differently from Step Functions, or cannot bound.
// A bounded one computes what jsonata's computes, after it has counted what that will allocate.
//
// B1 No function allocates before the meter allowed it.
// B2 No loop over more than a sequence runs without `tick`: jsonata's time guard does not see inside.
//
// B3 A function that replaces a built-in has as many parameters: `$map` passes as many arguments.
//
// Parameters of registered functions are `unknown`: a partial application (`$pad(?, 3)`) skips
// jsonata's own check of the signature. Their names matter too, since it reads them from the source.

/** Everything to register on top of jsonata's own functions. */
export function functionsFor(dialect: Dialect, context: FunctionContext): FunctionDefinition[] {
  const shared = [
    ...textFunctions(context),
    ...listFunctions(context),
    ...pictureFunctions(context),
    ...addedFunctions(context),
  ];
  return dialect === 'aws' ? [...shared, ...awsFunctions(context)] : shared;
}
