import { describe, expect, it } from 'vitest';
import { readStatement } from '#core/sql-statement.ts';

const good = (source: string, access: 'read' | 'write' = 'read') => {
  const statement = readStatement(source, access);
  if (!statement.ok) throw new Error(statement.message);
  return statement;
};

describe('placeholders', () => {
  it.each([
    ['select :a', 'select $1', ['a']],
    ['select :a, :b, :a', 'select $1, $2, $1', ['a', 'b']],
    ['select :a::int', 'select $1::int', ['a']],
    ["select ':a' || :b", "select ':a' || $1", ['b']],
    ["select 'it''s :a' || :b", "select 'it''s :a' || $1", ['b']],
    ["select E'\\':a' || :b", "select E'\\':a' || $1", ['b']],
    ['select ":a" from t where x = :b', 'select ":a" from t where x = $1', ['b']],
    ['select 1 -- :a\n, :b', 'select 1 -- :a\n, $1', ['b']],
    ['select /* :a /* :c */ :d */ :b', 'select /* :a /* :c */ :d */ $1', ['b']],
    ['select $$ :a ; $$ || :b', 'select $$ :a ; $$ || $1', ['b']],
    ['select $q$ $$ :a $q$ || :b', 'select $q$ $$ :a $q$ || $1', ['b']],
    ['select x[1:2], :b', 'select x[1:2], $1', ['b']],
    ["select '{}'::jsonb, f(k := :b)", "select '{}'::jsonb, f(k := $1)", ['b']],
    ['select :b ;  -- done', 'select $1 ', ['b']],
  ])('%s', (source, text, names) => {
    expect(good(source)).toEqual({ ok: true, text, names, count: names.length });
  });

  it('keeps numbered ones as they are', () => {
    expect(good('insert into t values ($1, $2, $1)', 'write')).toEqual({
      ok: true,
      text: 'insert into t values ($1, $2, $1)',
      names: null,
      count: 2,
    });
  });

  it('does not take a dollar inside a name for a placeholder', () => {
    expect(good('select a$1 from t').count).toBe(0);
  });
});

describe('refusals', () => {
  it.each([
    ['select 1; select 2', 'semicolon'],
    ['select 1; drop table t', 'semicolon'],
    ["select 1; 'x'", 'semicolon'],
    ['select 1; ;', 'semicolon'],
    ['select 1; (', 'semicolon'],
    ['select 1; $1', 'semicolon'],
    ['select $1, :a', 'not both'],
    ['select $2', 'without gaps'],
    ['select $0', 'without gaps'],
    ['select $1000000', 'too large'],
    ['select $65', 'at most 64'],
    ["select 'x", 'not closed'],
    ['select "x', 'not closed'],
    ['select /* x', 'not closed'],
    ['select $a$ x', 'not closed'],
    ['select $', 'dollar sign'],
    ['select \0', 'NUL'],
    ['', 'begins with'],
    ['-- select', 'begins with'],
    ['insert into t values (1)', 'begins with'],
    ['"select" 1', 'begins with'],
  ])('%s', (source, why) => {
    const statement = readStatement(source, 'read');
    expect(statement.ok ? 'accepted' : statement.message).toContain(why);
  });

  it.each([
    'commit',
    'rollback',
    'begin',
    'set x = 1',
    'reset all',
    'do $$ $$',
    'copy t to stdout',
    'listen x',
    'prepare x as select 1',
    'lock t',
    'truncate t',
    'create table t()',
    'explain select 1',
    'savepoint a',
  ])('a write may not be %s', (source) => {
    expect(readStatement(source, 'write').ok).toBe(false);
  });
});
