import type { FunctionContext, FunctionDefinition } from '#core/expr/function-context.ts';
import { PICTURE_CHARS } from '#core/expr/limits.ts';
import { ExpressionFault } from '#core/expr/outcome.ts';

/** Functions that read a picture string. */
export function pictureFunctions({ original, meter }: FunctionContext): FunctionDefinition[] {
  return [
    {
      name: 'formatNumber',
      signature: '<n-so?:s>',
      implementation(value: unknown, picture: unknown, options: unknown) {
        checkPicture(picture, 'formatNumber');
        if (typeof options === 'object' && options !== null) {
          for (const option of Object.values(options)) {
            if (typeof option !== 'string' || option.length === 0 || option.length > 8) {
              throw new ExpressionFault('error', '$formatNumber wants short strings as options');
            }
          }
        }
        return original.formatNumber(this, value, picture, options);
      },
    },
    {
      name: 'formatInteger',
      signature: '<n-s:s>',
      implementation(value: unknown, picture: unknown) {
        checkPicture(picture, 'formatInteger');
        if (typeof value === 'number' && typeof picture === 'string') {
          // a Roman numeral takes one level of the stack per letter, and one letter per thousand
          if (/^[iI](;.*)?$/.test(picture) && Math.abs(value) > 1_000_000) {
            throw new ExpressionFault('error', '$formatInteger writes Roman numerals to 1000000');
          }
        }
        return original.formatInteger(this, value, picture);
      },
    },
    {
      name: 'parseInteger',
      signature: '<s-s:n>',
      implementation(value: unknown, picture: unknown) {
        checkPicture(picture, 'parseInteger');
        checkDated(value, 'parseInteger');
        return original.parseInteger(this, value, picture);
      },
    },
    {
      name: 'toMillis',
      signature: '<s-s?:n>',
      implementation(value: unknown, picture: unknown) {
        checkPicture(picture, 'toMillis');
        checkDated(value, 'toMillis');
        return original.toMillis(this, value, picture);
      },
    },
    {
      name: 'fromMillis',
      signature: '<n-s?s?:s>',
      implementation(value: unknown, picture: unknown, timezone: unknown) {
        checkPicture(picture, 'fromMillis');
        checkPicture(timezone, 'fromMillis');
        const formatted = original.fromMillis(this, value, picture, timezone);
        if (typeof formatted === 'string') meter().chargeString(formatted.length);
        return formatted;
      },
    },
  ];
}

export function checkPicture(picture: unknown, name: string): void {
  if (typeof picture !== 'string') return;
  if (picture.length > PICTURE_CHARS) {
    throw new ExpressionFault(
      'error',
      `$${name} wants a picture of at most ${PICTURE_CHARS} characters`,
    );
  }
  // `[Y,9999999999]` would ask for that many digits
  for (const digits of picture.match(/\d+/g) ?? []) {
    if (digits.length > 6 && name.endsWith('Millis')) {
      throw new ExpressionFault('error', `$${name} wants shorter widths in its picture`);
    }
  }
}

function checkDated(value: unknown, name: string): void {
  if (typeof value === 'string' && value.length > PICTURE_CHARS) {
    throw new ExpressionFault('error', `$${name} wants at most ${PICTURE_CHARS} characters`);
  }
}
