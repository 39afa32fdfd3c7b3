/** Random expressions and templates over what a step can see. */
import type { Json } from '#core/json.ts';
import type { Random } from '#test/simulation/random.ts';

export interface View {
  /** Ancestors, and what the containers around see. */
  readonly ids: readonly string[];
  readonly item: boolean;
  readonly loop: boolean;
}

/** Inputs are odd on purpose: empty, single, nested, null, very large, of other alphabets. */
export function randomInput(random: Random): Json {
  const items: Json[] = [[], [1], [1, 2, 3], ['a', null, 'ß'], [[1]], [{ v: 1 }, { v: 'x' }], [0]];
  return {
    n: random.pick<Json>([0, 1, 2, 5, -1, 1.5, 3]),
    flag: random.pick<Json>([true, true, true, false, null, 'yes', 1]),
    items: random.pick(items),
    one: random.pick<Json>([7, 'single', null, { v: 2 }, [[]]]),
    text: random.pick([
      'abc',
      '',
      'Zürich 東京 🙂',
      'a b c',
      '{"k":[1,null]}',
      '12',
      'ﬁ\u0301"\\\n',
    ]),
    odd: random.pick(ODD),
    deep: { a: { b: [{ c: 1 }, { c: 2 }, {}] }, 'odd key': 4 },
  };
}

const ODD: readonly Json[] = [
  null,
  [],
  {},
  [[1]],
  [[]],
  [null],
  0,
  -0.5,
  1e21,
  9007199254740991,
  0.1,
  '',
  ' ',
  '東京 🙂',
  '\u2028',
  { '': 1, constructor: 2 },
  { a: [null, [null]], b: { c: null } },
  [1, 'one', true, null, { z: [] }],
  false,
];

const BOOLEAN = [
  '$input.flag',
  '$input.flag',
  'true',
  'true',
  'false',
  '$input.n > 1',
  '$input.n = 2',
  '$input.n >= 0 and $input.n < 3',
  '$not($input.flag)',
  '$exists($input.missing)',
  '$exists($input.n)',
  '$count($input.items) > 1',
  '$input.flag = true or $input.n = 1',
  '$input.items[0] = 1',
  "'a' in $input.items",
  '$boolean($input.items)',
  '$contains($input.text, "a")',
  '$count($input.items) <= $count($input.one)',
  '$input.odd in [0, "", 1e21, null]',
  '$input.odd = [null]',
  '$input.text in $input.items',
  "$execution.workflow_id = 'random'",
  '$boolean($input.odd)',
];
/** Values that a condition may have and no template may hold (rule 9). */
const UNFIT = [
  '$pad("x", 66000)',
  '$sum',
  '[$uppercase]',
  '$input.n * 9007199254740991',
  '$map([1..300], function($i) { $pad("x", 300) })',
  '$reduce([1..70], function($a, $i) { [[$a], $i] }, 1)',
];
const NOT_BOOLEAN = [
  '$input.missing',
  '$input.text',
  '$input.n',
  '1',
  "'true'",
  '$input.items',
  'null',
  '{}',
  '$input.odd',
  ...UNFIT,
];
const BROKEN = [
  "$input.n > 'a'",
  "$error('no')",
  '$number("x")',
  '$input.text + 1',
  '$uppercase($input.n)',
  '$sum("a")',
  '$input.deep < 1',
  '1 / 0 > 5',
  '$power(10, 400) > 1',
  '$error($pad("", 2000, "é"))',
  '$assert(false, "not so")',
  '$toMillis("soon")',
  '$parse("{")',
  '$hash("x", "SHA-3")',
  '$range(1, 9, 0)',
];

const VALUES = [
  '$input.n + 1',
  '$input.n * 2 - 1',
  '$input.n % 2',
  '-$input.n',
  '$input.odd',
  '[$input.odd]',
  '$input.items',
  '[$input.items]',
  '$input.one',
  '$input.text',
  '$input.deep.a.b.c',
  '$input.deep.a.b[0]',
  '$input.deep.a.b[c = 2]',
  '$input.deep.`odd key`',
  '{"a": $input.n, "b": [$input.items]}',
  '$count($input.items)',
  '$sum([$input.n, 2])',
  '$max([1, $input.n])',
  '$string($input.n)',
  '$string($input.odd)',
  '$length($input.text)',
  '$uppercase($input.text)',
  '$substring($input.text, 1, 2)',
  '$substringBefore($input.text, " ")',
  '$split($input.text, " ")',
  '$join(["a", $input.text], "-")',
  '$trim(" x ")',
  '$pad("x", 3, "-")',
  '$append($input.items, 9)',
  '$reverse([3, 2, $input.n])',
  '$sort([3, 1, 2])',
  '$distinct([1, 1, $input.n])',
  '$map([1, 2, 3], function($v) { $v * 2 })',
  '$filter([1, 2, 3], function($v) { $v > 1 })',
  '$reduce([1, 2, 3], function($a, $b) { $a + $b })',
  '$keys($input.deep)',
  '$lookup($input.deep, "odd key")',
  '$merge([{"a": 1}, {"b": $input.n}])',
  '$type($input.odd)',
  '$round($input.n / 3, 2)',
  '$floor($input.n)',
  '$abs($input.n)',
  '$power(2, $input.n)',
  '$range(1, 4, 1)',
  '$partition([1, 2, 3], 2)',
  '$hash($input.text, "SHA-256")',
  '$parse("[1,{\\"a\\":null}]")',
  '$execution.workflow_id',
  '$execution.started_at',
  '$execution.id',
  '$input.flag = true ? "yes" : "no"',
  '($x := $input.n; $x + $x)',
  '$input.n = 1 or $input.n = 2',
  'null',
  '[1..3]',
  '"a" & $input.n',
  '$base64encode($input.text)',
  '$zip([1, 2], ["a", "b"])',
  '$exists($input.one.v)',
  '$each($input.deep.a, function($v, $k) { $k })',
  '$toMillis("2026-01-01T00:00:00.000Z")',
  '$formatNumber($input.n, "0.00")',
  '$formatNumber(1234567.891, "#,##0.0#")',
  '$formatInteger(12, "w")',
  '$formatBase(255, 16)',
  '$parseInteger("0012", "0000")',
  '$fromMillis(1767225600000)',
  '$fromMillis(1767225600000, "[Y0001]-[M01]-[D01] [H01]:[m01] [z]", "+0530")',
  '$number("12.5")',
  '$string(1e-7)',
  '$string(1/3)',
  '$string(100000000000000000000)',
  '-0',
  '[-$input.n, 0 * -1]',
  '1e15 + 0.5',
  '9007199254740991',
  '$split($input.text, "")',
  '$join($split($input.text, ""))',
  '"\\ud83d" & "\\ude42"',
  '$length($input.text)',
  '$pad($input.text, -12, "🙂")',
  '$encodeUrlComponent("ä b")',
  '$base64decode("w6Q=")',
  '$spread($input.deep)',
  '$sift($input, function($v, $k) { $k = "n" })',
  '$single($input.items, function($v) { $v = 1 })',
  '$input.items^(>$)',
  '$input.deep.a.b{$string(c): 1}',
  '$input.deep ~> |a|{"d": $input.n}|',
  '$input.**.c',
  '$input.deep.*',
  '$keys($input)',
  '$string($input.deep)',
  '$string($execution.id)',
  '[[], [[]], [[1], 2]]',
  '$append([], [[1]])',
  '($f := function($x) { $x * 2 }; $map([1, 2], $f))',
  '$zip($input.items, [1, 2])',
  '$hash("🙂", "MD5")',
  '$partition($input.items, 2)',
  '$range(3, 1, -1)',
  '$range(0, 1, 0.25)',
  '$parse("9007199254740993")',
  '$parse("\\"\\\\ud83d\\"")',
];
const NO_VALUE = ['$input.missing', '$input.deep.nothing.at.all', '$input.items[99]'];

export function condition(random: Random, view: View): string {
  if (random.chance(0.06)) return wrap(random.pick(BROKEN));
  if (random.chance(0.12)) return wrap(random.pick(NOT_BOOLEAN));
  if (view.ids.length > 0 && random.chance(0.3)) {
    const of = step(random.pick(view.ids));
    return wrap(
      random.pick([
        `${of}.status = 'SUCCESS'`,
        `${of}.status != 'FAILED'`,
        `$exists(${of}.output)`,
        `${of}.output = null`,
        `${of}.attempts > 0`,
        `${of}.error.code = 'CloudFlow.ServerError'`,
        `${of}.attempts >= 1 and ${of}.attempts < 3`,
        `$contains(${of}.error.message, 'a')`,
        `${of}.error.message = 'GET answered 503'`,
        `${of}`,
      ]),
    );
  }
  if (view.item && random.chance(0.3)) {
    return wrap(random.pick(['$index = 0', '$item = 1', '$index < 2', '$exists($item)']));
  }
  if (view.loop && random.chance(0.3)) {
    return wrap(random.pick(['$loop.index = 0', '$loop.index < 1', '$exists($loop.last)']));
  }
  return wrap(random.pick(BOOLEAN));
}

/** The source of a value, without the marks of an expression. */
export function value(random: Random, view: View): string {
  if (random.chance(0.015)) return random.pick(BROKEN);
  if (random.chance(0.01)) return random.pick(UNFIT);
  if (random.chance(0.015)) return random.pick(NO_VALUE);
  if (view.ids.length > 0 && random.chance(0.4)) {
    const of = step(random.pick(view.ids));
    return random.pick([
      `${of}.output`,
      `${of}.output`,
      `[${of}.output]`,
      `${of}.status`,
      `${of}.attempts`,
      `$exists(${of}.error) ? ${of}.error.code : 'none'`,
      `$string(${of}.output)`,
      `{"of": ${of}.status, "code": ${of}.error.code}`,
      `$type(${of}.output)`,
      `$count(${of}.output)`,
      `${of}.error.message`,
      `${of}`,
      `$string(${of})`,
      `$keys(${of})`,
      `$string(${of}.error)`,
      `{"was": ${of}.error.message, "why": ${of}.error.code & "!"}`,
    ]);
  }
  if (view.item && random.chance(0.5)) {
    return random.pick(['$item', '$index', '[$item, $index]', '{"i": $index, "v": $item}']);
  }
  if (view.loop && random.chance(0.5)) {
    return random.pick([
      '$loop.index',
      '$loop.last',
      '{"n": $loop.index, "last": $loop.last}',
      '$string($loop)',
      '$keys($loop.last)',
    ]);
  }
  return random.pick(VALUES);
}

export function template(random: Random, view: View, depth = 0): Json {
  if (depth < 2 && random.chance(0.2)) {
    return { a: template(random, view, depth + 1), 'b c': template(random, view, depth + 1) };
  }
  if (depth < 2 && random.chance(0.08)) return [template(random, view, depth + 1), null, []];
  if (random.chance(0.08)) return random.pick<Json>([null, 1, 'plain', true, [], {}, [[1]], '🙂']);
  if (random.chance(0.1)) return text(random, view);
  return wrap(value(random, view));
}

/** Text around expressions that are strings, numbers or booleans; at times one that is not. */
export function text(random: Random, view: View): string {
  const scalars = [
    '$input.n',
    '$input.text',
    '$count($input.items)',
    '$input.n = 1',
    "'x'",
    '1/3',
    '9007199254740991',
    '$execution.version',
  ];
  if (view.item) scalars.push('$index');
  if (view.loop) scalars.push('$loop.index');
  if (view.ids.length > 0) {
    const of = step(random.pick(view.ids));
    scalars.push(`${of}.status`, `${of}.error.message & ""`);
  }
  const source = random.chance(0.08)
    ? random.pick(['$input.items', '$input.odd', '$input.missing', ...UNFIT, ...BROKEN])
    : random.pick(scalars);
  return random.pick([
    `of {% ${source} %}`,
    `{% ${source} %} and {% ${random.pick(scalars)} %}!`,
    `ü {% ${source} %}`,
  ]);
}

/** What a connector's `result` makes of `$result`. */
export function shaping(random: Random, view: View, type: string): string {
  if (random.chance(0.06)) return wrap(random.pick(['$result.nothing', "$error('bad')", ...UNFIT]));
  return wrap(
    random.pick([
      ...(type === 'http_request' ? ['$result.body', '$result.body', '$result.status'] : []),
      ...(type === 'approval' ? ['$result.decision', '$result.by', '$result.comment'] : []),
      ...(type === 'database_operation' ? ['$result.row_count'] : []),
      '[$result]',
      '$exists($result.body) ? $result.body : $result',
      '{"was": $type($result)}',
      ...(view.item ? ['[$index, $item]'] : []),
      ...(view.ids.length > 0 ? [`${step(random.pick(view.ids))}.status`] : []),
    ]),
  );
}

export function wrap(source: string): string {
  return `{% ${source} %}`;
}

export function step(id: string): string {
  return /^[a-z_0-9]+$/.test(id) ? `$steps.${id}` : `$steps.\`${id}\``;
}
