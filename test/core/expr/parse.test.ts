import { describe, expect, it } from 'vitest';
import { parseExpression } from '#core/expr/parse.ts';

const codes = (source: string): readonly string[] => {
  const parsed = parseExpression(source, '/steps/0/when');
  return parsed.ok ? [] : parsed.problems.map(({ code }) => code);
};
const read = (source: string) => {
  const parsed = parseExpression(source);
  if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join('; '));
  return parsed.expression;
};

describe('the fence', () => {
  it.each([
    ['E_EXPR_PARSE', '1 +'],
    ['E_EXPR_PARSE', '"open'],
    ['E_EXPR_PARSE', ''],
    ['E_EXPR_FENCE', '$input.a ?: 1'],
    ['E_EXPR_FENCE', '$input.a ?? 1'],
    ['E_EXPR_FENCE', '$contains($input.a, /x/)'],
    ['E_EXPR_FENCE', '$input.a.%.b'],
    ['E_EXPR_FENCE', '($f := function($n) { $n < 1 ? 1 : $n * $f($n - 1) }; $f(3))'],
    ['E_EXPR_FENCE', '($x := 1; $x := 2; $x)'],
    ['E_EXPR_FENCE', '($input := 1; $input)'],
    ['E_EXPR_FENCE', '($sum := function($x) { $x }; $sum(1))'],
    ['E_EXPR_FENCE', '($states := 1; $states)'],
    ['E_EXPR_FENCE', 'function($steps) { 1 }(2)'],
    ['E_EXPR_FENCE', `"${'x'.repeat(4_096)}"`],
    ['E_EXPR_FENCE', Array(70).fill('1').join(' + ')],
    ['E_EXPR_FENCE', `[${Array(2_001).fill('1').join(',')}]`],
    ['E_EXPR_FENCE', 'function($x)<n+:n>{ $x }(1)'],
    ['E_EXPR_TOPLEVEL', 'total'],
    ['E_EXPR_TOPLEVEL', 'order.total'],
    ['E_EXPR_TOPLEVEL', '"order".total'],
    ['E_EXPR_TOPLEVEL', '$'],
    ['E_EXPR_TOPLEVEL', '$$'],
    ['E_EXPR_TOPLEVEL', '$input.items[price > $$.x]'],
    ['E_EXPR_TOPLEVEL', '*'],
    ['E_EXPR_TOPLEVEL', '**.a'],
    ['E_EXPR_TOPLEVEL', 'function($x) { y }(1)'],
    ['E_EXPR_TOPLEVEL', 'sum($input.a)'],
    ['E_EXPR_BANNED_FN', '$eval("1")'],
    ['E_EXPR_BANNED_FN', '$random()'],
    ['E_EXPR_BANNED_FN', '$uuid()'],
    ['E_EXPR_BANNED_FN', '$now()'],
    ['E_EXPR_BANNED_FN', '$input.a ~> $millis'],
    ['E_EXPR_BANNED_FN', '$map([1], $shuffle)'],
    ['E_UNKNOWN_VAR', '$inptu.a'],
    ['E_UNKNOWN_VAR', '$steps.a.outptu'],
    ['E_UNKNOWN_VAR', '$execution.name'],
    ['E_UNKNOWN_VAR', '($x; $x := 1)'],
    ['E_UNKNOWN_VAR', '(($x := 1); $x)'],
    ['E_STEPS_DYNAMIC', '$steps'],
    ['E_STEPS_DYNAMIC', '$steps[0]'],
    ['E_STEPS_DYNAMIC', '$steps.*'],
    ['E_STEPS_DYNAMIC', '$steps.**'],
    ['E_STEPS_DYNAMIC', '$keys($steps)'],
    ['E_STEPS_DYNAMIC', '$steps{"a": b}'],
    ['E_STEPS_DYNAMIC', '$steps.("a" & "b")'],
    ['E_STEPS_DYNAMIC', '$steps ~> $keys()'],
    ['E_STEPS_DYNAMIC', '($s := $steps; 1)'],
  ])('%s: %s', (code, source) => {
    expect(codes(source)).toContain(code);
  });

  it.each([
    '$input',
    '$input.items[price > 3 and $contains(name, "a")].name',
    '$steps.verify.output.ok = true',
    '$steps.`verify-identity`.output.ok = true',
    '$steps."verify-identity".status',
    '$input.order.("x" & $steps.a.output)',
    '($total := $sum($input.items.price); $total > 100 ? "big" : "small")',
    '$map($input.items, function($i, $n) { {"n": $n, "price": $i.price} })',
    '$reduce($input.a, function($sum, $x) { $sum + $x }, 0)',
    '($f := function($x) { $x + 1 }; $g := function($x) { $f($f($x)) }; $g(1))',
    '$input.orders@$o.items.{"order": $o.id, "sku": sku}',
    '$input.items#$i.{"at": $i}',
    '$input.items^(>price, name)',
    '$input.items{sku: $sum(price)}',
    '$input ~> |items|{"seen": true}, "price"|',
    '$input.a / 2 % 3',
    '($input.a)/2',
    '$input.a[0]/2',
    '$count($input.a)/2',
    'function($x)<n?:n>{ $x }(1)',
    '$input.* ~> $count()',
    '$substringBefore(?, "@")($input.email)',
    '$hash($input.a, "SHA-256") & $string($partition([1..4], 2)) & $range(1, 3, 1)[0] & $parse("1")',
    '$toMillis($execution.started_at)',
    '/* a comment: ?? and /x/ */ 1',
    '"?? ?: /x/"',
    '$input.`a ?? b`',
  ])('accepts %s', (source) => {
    expect(codes(source)).toEqual([]);
  });

  it('puts the pointer, what was given and what is allowed on every problem', () => {
    const parsed = parseExpression('$inptu.a + foo', '/steps/0/when');
    expect(parsed.ok ? [] : parsed.problems).toEqual([
      expect.objectContaining({
        code: 'E_UNKNOWN_VAR',
        pointer: '/steps/0/when',
        given: '$inptu',
        allowed: "did you mean '$input'",
      }),
      expect.objectContaining({ code: 'E_EXPR_TOPLEVEL', allowed: "did you mean '$input.foo'" }),
    ]);
  });

  it.each([
    ['$steps.a-b', 'did you mean $steps.`a-b`'],
    ['$steps.a-b-c.output.x = 1', 'did you mean $steps.`a-b-c`.output.x'],
    ['$exists($steps.verify-identity.output)', 'did you mean $steps.`verify-identity`.output'],
    ['$lenght("a")', "did you mean '$length'"],
    ['$exist($input.a)', "did you mean '$exists'"],
    ['sum([1])', "did you mean '$sum('"],
    ['$steps.a.stauts', "did you mean 'status'"],
    ['input.a', "did you mean '$input'"],
  ])('%s: %s', (source, hint) => {
    const parsed = parseExpression(source);
    expect(parsed.ok ? '' : parsed.problems.map(({ allowed }) => allowed).join()).toContain(hint);
  });

  it('refuses what would take the parser exponential time, in milliseconds', () => {
    const doubling = `${'('.repeat(60)}$input.a${' ?? 1)'.repeat(60)}`;
    const hidden = [
      `function($x){$x}/"/${doubling}"`,
      `$input.a^($)/"/${doubling}"`,
      `$input.a[]/"/${doubling}"`,
      `$input.and in /"/${doubling}"`,
    ];
    for (const source of [doubling, ...hidden]) {
      const start = performance.now();
      expect(codes(source)).toContain('E_EXPR_FENCE');
      expect(performance.now() - start).toBeLessThan(1_000);
    }
  });
});

describe('what an expression reads', () => {
  it('lists steps with their fields, and names', () => {
    const expression = read(
      '$steps.b.output.x > $steps.a.attempts and $steps.b.status = "SUCCESS" and $item.y = $input.z',
    );
    expect(expression.steps).toEqual(['a', 'b']);
    expect(expression.stepFields).toEqual({ a: ['attempts'], b: ['status', 'output'] });
    expect(expression.names).toEqual(['input', 'item']);
  });

  it('takes a whole record for all of its fields', () => {
    expect(read('$string($steps.a)').stepFields).toEqual({
      a: ['status', 'output', 'error', 'attempts'],
    });
  });

  it('does not take a name of the expression for one of ours', () => {
    expect(read('$map([1], function($item1, $i) { $item1 + $i })').names).toEqual([]);
  });

  it.each([
    ['$input.a.b', true, true],
    ['$steps.`a-b`.output.ok = true', true, true],
    ['$input.a[0]', true, false],
    ['$input.a < 3', true, false],
    ['$input.a + 1', true, false],
    ['$not($exists($input.a)) or $type($input.a) in ["string", "null"]', true, true],
    ['$input.a ? [1, $input.b] : null', true, true],
    ['{"a": $input.a}', true, false],
    ['"x" & $input.a', true, false],
    ['$input.a in $input.b', false, true],
    ['$sum($input.a)', false, false],
    ['$input.a[b = 1]', false, false],
    ['$input.*', false, false],
    ['$exists($sum)', false, false],
    ['($x := 1; $x)', false, false],
    ['$input.a[]', false, true],
    ['$loop.index < 3', true, true],
    ['$index >= 1 and 2 > $steps.a.attempts', true, true],
    ['$count($input.a) > ($count($input.b))', true, true],
    ['"a" < "b"', true, true],
    ['$count($input.a) > "2"', true, false],
    ['$loop.last < 3', true, false],
    ['$input.a = 1e21', true, false],
    ['$input.a = 9007199254740991', true, true],
  ])('%s: simple %s, total %s', (source, simple, total) => {
    expect(read(source)).toMatchObject({ simple, total });
  });

  it.each([
    ['$input.a != 1', true, false],
    ['$exists($input.a) and $input.a != 1', false, false],
    ['$steps.a.status != "SUCCESS"', false, false],
    ['$input.a > 1', false, true],
    ['$type($input.a) = "number" and $input.a > 1', false, false],
    ['$exists($input.a) ? $input.a > 1 : false', false, false],
    ['$input.items[price > 1]', false, false],
    ['$steps.a.attempts > 1', false, false],
    ['$index < 3', false, false],
  ])('%s: warns of != %s, of an ordering %s', (source, notEqual, comparison) => {
    expect(read(source)).toMatchObject({
      mayBeUndefinedNotEqual: notEqual,
      unguardedComparison: comparison,
    });
  });

  it('is plain JSON', () => {
    const expression = read('$steps.a.output > 1');
    expect(JSON.parse(JSON.stringify(expression))).toEqual(expression);
  });
});
