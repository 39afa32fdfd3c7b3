import type { FunctionContext, FunctionDefinition } from '#core/expr/function-context.ts';
import { finiteNumber, HASH_ALGORITHMS, list, text } from '#core/expr/function-context.ts';
import { javaRandom } from '#core/expr/java-random.ts';
import { RESULT_DEPTH } from '#core/expr/limits.ts';
import { ExpressionFault } from '#core/expr/outcome.ts';
import { checkPicture } from '#core/expr/picture-functions.ts';

/** What Step Functions adds to JSONata and the portable language has too. */
export function addedFunctions({ meter, host }: FunctionContext): FunctionDefinition[] {
  return [
    {
      name: 'parse',
      signature: '<s-:x>',
      implementation(str: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'parse');
        meter().chargeString(value.length);
        checkNesting(value);
        try {
          return JSON.parse(value);
        } catch {
          throw new ExpressionFault('error', '$parse wants a string that is JSON');
        }
      },
    },
    {
      name: 'partition',
      signature: '<an:a<a>>',
      implementation(arr: unknown, size: unknown) {
        if (arr === undefined) return undefined;
        const items = list(arr, 'partition');
        const each = finiteNumber(size, 'partition');
        if (!Number.isInteger(each) || each < 1) {
          throw new ExpressionFault('error', '$partition wants a whole number from 1');
        }
        meter().chargeItems(items.length * 2);
        const parts: unknown[][] = [];
        for (let at = 0; at < items.length; at += each) {
          parts.push(items.slice(at, at + each));
        }
        return parts;
      },
    },
    {
      name: 'range',
      signature: '<nnn:a<n>>',
      implementation(first: unknown, last: unknown, step: unknown) {
        if (first === undefined || last === undefined || step === undefined) return undefined;
        const [from, to, by] = [first, last, step].map((value) => finiteNumber(value, 'range'));
        if (from === undefined || to === undefined || by === undefined || by === 0) {
          throw new ExpressionFault('error', '$range wants a step other than 0');
        }
        const count = Math.floor((to - from) / by) + 1;
        if (count <= 0) return [];
        meter().chargeItems(count);
        return Array.from({ length: count }, (_, i) => from + i * by);
      },
    },
    {
      name: 'hash',
      signature: '<s-s:s>',
      implementation(str: unknown, algorithm: unknown) {
        if (str === undefined) return undefined;
        const value = text(str, 'hash');
        const known = HASH_ALGORITHMS.find((name) => name === algorithm);
        if (known === undefined) {
          throw new ExpressionFault('error', `$hash wants one of ${HASH_ALGORITHMS.join(', ')}`);
        }
        return host.hash(known, value);
      },
    },
  ];
}

/** `JSON.parse` takes a million levels; nothing after it does. */
function checkNesting(json: string): void {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (quoted) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) quoted = false;
    } else if (char === 0x22) quoted = true;
    else if (char === 0x5b || char === 0x7b) {
      depth += 1;
      if (depth > RESULT_DEPTH) {
        throw new ExpressionFault('too_deep', `$parse takes at most ${RESULT_DEPTH} levels`);
      }
    } else if (char === 0x5d || char === 0x7d) depth -= 1;
  }
}

/** What Step Functions alone has: time and chance. */
export function awsFunctions({ host, original }: FunctionContext): FunctionDefinition[] {
  return [
    { name: 'uuid', signature: '<:s>', implementation: () => host.uuid() },
    {
      name: 'random',
      signature: '<n?:n>',
      implementation: (seed: unknown) =>
        typeof seed === 'number' ? javaRandom(seed) : host.random(),
    },
    { name: 'millis', signature: '<:n>', implementation: () => host.now() },
    {
      name: 'now',
      signature: '<s?s?:s>',
      implementation(picture: unknown, timezone: unknown) {
        checkPicture(picture, 'now');
        checkPicture(timezone, 'now');
        return original.fromMillis(this, host.now(), picture, timezone);
      },
    },
  ];
}
