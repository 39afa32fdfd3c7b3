import { describe, expect, it } from 'vitest';
import { visibleEdges } from '#core/picture/reduce.ts';
import { drawSvg } from '#core/picture/svg.ts';
import { drawText } from '#core/picture/text.ts';
import type { Program, Scope, Step } from '#core/plan/program.ts';

/** A scope of transforms from `{ b: ['a'] }`: each id with what it depends on. */
function scope(graph: Record<string, readonly string[]>, prefix = ''): Scope {
  const ids = Object.keys(graph);
  const steps = ids.map((id, index) => ({
    type: 'transform' as const,
    id,
    path: `${prefix}${id}`,
    no: index,
    index,
    pointer: `/steps/${index}`,
    dependsOn: (graph[id] ?? []).map((dependency) => ids.indexOf(dependency)),
    trigger: 'all_success' as const,
    when: null,
    continueOnFailure: false,
    maxOutputBytes: 8192,
    live: true,
    slow: false,
    compensate: null,
    value: { kind: 'literal' as const, value: null },
  }));
  return { id: prefix, path: prefix, steps, tree: { kind: 'leaf', step: 0 }, barriers: [] };
}

function program(root: Scope): Program {
  return {
    workflowId: 'picture',
    version: '1.0.0',
    hash: '',
    runtime: 'auto',
    onCancel: 'abandon',
    onFailure: 'drain',
    timeoutMs: null,
    inputSchema: null,
    output: null,
    root,
    compensates: false,
  };
}

describe('edges', () => {
  it('leave out what others imply', () => {
    expect(visibleEdges(scope({ a: [], b: ['a'], c: ['a', 'b'] }))).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });
});

describe('text', () => {
  it('draws a chain as one lane, with a line between steps that follow each other', () => {
    expect(drawText(program(scope({ a: [], b: ['a'], c: ['b'] })))).toBe(
      'picture 1.0.0\n● a  transform\n│\n● b  transform\n│\n● c  transform\n',
    );
  });

  it('draws no line between steps that do not follow each other', () => {
    expect(drawText(program(scope({ a: [], b: [], c: [] })))).toBe(
      'picture 1.0.0\n● a  transform\n● b  transform\n● c  transform\n',
    );
  });

  it('draws the lanes of others beside that line', () => {
    expect(drawText(program(scope({ a: [], b: ['a'], d: ['b'], c: ['a'], e: ['c', 'd'] })))).toBe(
      [
        'picture 1.0.0',
        '● a  transform',
        '├─╮',
        '● │ b  transform',
        '│ │',
        '● │ d  transform',
        '│ ● c  transform',
        '├─╯',
        '● e  transform',
        '',
      ].join('\n'),
    );
  });

  it('draws a diamond as a fork and a join', () => {
    expect(drawText(program(scope({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'] })))).toBe(
      [
        'picture 1.0.0',
        '● a  transform',
        '├─╮',
        '● │ b  transform',
        '│ ● c  transform',
        '├─╯',
        '● d  transform',
        '',
      ].join('\n'),
    );
  });

  it('draws three branches with joints in between', () => {
    const lines = drawText(
      program(scope({ a: [], b: ['a'], c: ['a'], d: ['a'], e: ['b', 'c', 'd'] })),
    ).split('\n');
    expect(lines[2]).toBe('├─┬─╮');
    expect(lines[6]).toBe('├─┴─╯');
  });

  it('ends a lane that nothing follows', () => {
    expect(drawText(program(scope({ a: [], b: ['a'], c: [], d: ['c'] })))).toBe(
      'picture 1.0.0\n● a  transform\n│\n● b  transform\n● c  transform\n│\n● d  transform\n',
    );
  });

  it('indents what a container holds', () => {
    const outer = scope({ each: [], after: ['each'] });
    const [first, ...rest] = outer.steps;
    const container = {
      ...(first as Step),
      type: 'for_each',
      items: { kind: 'literal', value: [] },
      concurrency: 10,
      maxItems: 100,
      body: scope({ inner: [] }, 'each.'),
    } as unknown as Step;
    expect(drawText(program({ ...outer, steps: [container, ...rest] }))).toBe(
      [
        'picture 1.0.0',
        '● each  for_each',
        '│   each item, 10 at once',
        '│     ● inner  transform',
        '● after  transform',
        '',
      ].join('\n'),
    );
  });
});

describe('svg', () => {
  it('places every step and every visible edge', () => {
    const svg = drawSvg(program(scope({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'] })));
    expect(svg.match(/class="box /g)).toHaveLength(4);
    expect(svg.match(/class="edge"/g)).toHaveLength(4);
  });

  it('ends an arrow at the frame of a container, and begins it there', () => {
    const outer = scope({ before: [], each: ['before'], after: ['each'] });
    const [first, second, third] = outer.steps as [Step, Step, Step];
    const container = {
      ...second,
      type: 'for_each',
      items: { kind: 'literal', value: [] },
      concurrency: 10,
      maxItems: 100,
      body: scope({ inner: [] }, 'each.'),
    } as unknown as Step;
    const svg = drawSvg(program({ ...outer, steps: [first, container, third] }));
    const [, top, height] = (
      /class="frame"><rect x="[^"]+" y="([^"]+)" width="[^"]+" height="([^"]+)"/.exec(svg) ?? []
    ).map(Number) as [number, number, number];
    const ends = [...svg.matchAll(/class="edge" d="M\S+ ([\d.]+)[^"]*[LM]\S+ ([\d.]+)"/g)];
    expect(ends.map(([, from, to]) => [Number(from), Number(to)])).toEqual([
      [expect.any(Number), expect.closeTo(top, 0)],
      [expect.closeTo(top + height, 0), expect.any(Number)],
    ]);
  });

  it('escapes what a definition says', () => {
    const hostile = scope({ a: [] });
    const step = { ...hostile.steps[0], id: '<script>"&' } as Step;
    const svg = drawSvg(program({ ...hostile, steps: [step] }));
    expect(svg).not.toContain('<script');
    expect(svg).toContain('&lt;script&gt;&quot;&amp;');
  });
});
