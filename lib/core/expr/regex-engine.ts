import { RE2JS } from 're2js';

/**
 * The part of RegExp that jsonata uses, over a regex engine whose time is linear in the text: no
 * pattern can hang it. Look-around and back-references do not exist there and are refused.
 */
class LinearRegExp {
  lastIndex = 0;
  private readonly pattern: RE2JS;
  private readonly turn: () => void;

  constructor(literal: RegExp, turn: () => void) {
    this.turn = turn;
    const flags =
      (literal.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | (literal.multiline ? RE2JS.MULTILINE : 0);
    this.pattern = RE2JS.compile(literal.source, flags);
  }

  exec(
    text: string,
  ): { [group: number]: string | undefined; index: number; length: number } | null {
    this.turn();
    if (this.lastIndex > text.length) {
      this.lastIndex = 0;
      return null;
    }
    const matcher = this.pattern.matcher(text);
    if (!matcher.find(this.lastIndex)) {
      this.lastIndex = 0;
      return null;
    }
    const groups: (string | undefined)[] = [];
    for (let i = 0; i <= matcher.groupCount(); i++) groups.push(matcher.group(i) ?? undefined);
    this.lastIndex = matcher.end();
    return Object.assign(groups, { index: matcher.start() });
  }
}

/**
 * For jsonata's `RegexEngine` option, which asks for the whole constructor but uses this much.
 * `turn` is called before each search.
 */
export function linearRegexEngine(turn: () => void): RegExpConstructor {
  return class extends LinearRegExp {
    constructor(literal: RegExp) {
      super(literal, turn);
    }
  } as unknown as RegExpConstructor;
}
