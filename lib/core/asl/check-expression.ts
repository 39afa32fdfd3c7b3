import { scanSource } from '#core/expr/scan.ts';

/** What an expression of a machine reads, and what AWS would not accept in it. */
export interface Reads {
  /** Variables of the machine. */
  readonly variables: readonly string[];
  readonly result: boolean;
  readonly errorOutput: boolean;
  readonly problems: readonly string[];
}

/** AWS evaluates at most 100 levels deep; brackets are what our own wrapping adds. */
const NESTING = 90;

const OPAQUE = /'(?:\\[\s\S]|[^'\\])*'|"(?:\\[\s\S]|[^"\\])*"|`[^`]*`|\/\*[\s\S]*?\*\//g;
/** A variable with what follows it: a call, a binding, or another use. */
const VARIABLE = /\$([^\s.[\]{}(),@#;:?+\-*/%|=<>^&!~$'"`]+)\s*(\(|:=)?/g;
const PARAMETERS = /(?:function|λ)\s*\(([^)]*)\)/g;
/** `$i` of `xs#$i` and `$x` of `xs@$x` are bound by the path. */
const PATH_BINDING = /[#@]\s*\$([^\s.[\]{}(),@#;:?+\-*/%|=<>^&!~$'"`]+)/g;

/** Functions that AWS has and the language has not: nothing that we write needs them either. */
const BANNED = new Set(['eval', 'random', 'uuid', 'now', 'millis', 'shuffle']);

/**
 * Reads an expression by its tokens. Names that it binds itself count as bound throughout: authors'
 * own expressions were checked with their scopes when the definition was.
 */
export function checkExpression(text: string): Reads {
  const problems: string[] = [];
  if (!text.endsWith('%}')) problems.push('blanks or text after the expression');
  const source = text.slice(2, -2);
  const scanned = scanSource(source, { regex: false, nesting: NESTING });
  if (scanned !== null) problems.push(`'${scanned.text}' (${scanned.kind})`);

  const bare = source.replace(OPAQUE, ' 0 ');
  const bound = new Set<string>();
  for (const [, list = ''] of bare.matchAll(PARAMETERS)) {
    for (const name of list.split(',')) bound.add(name.trim().slice(1));
  }
  for (const [, name = ''] of bare.matchAll(PATH_BINDING)) bound.add(name);
  const used = new Set<string>();
  for (const [, name = '', after] of bare.matchAll(VARIABLE)) {
    if (after === ':=') bound.add(name);
    else if (after !== '(') used.add(name);
    if (BANNED.has(name)) problems.push(`'$${name}' is not in the language`);
  }
  const states = used.delete('states');
  return {
    variables: [...used].filter((name) => !bound.has(name)),
    result: states && /\$states\.result\b/.test(bare),
    errorOutput: states && /\$states\.errorOutput\b/.test(bare),
    problems,
  };
}
