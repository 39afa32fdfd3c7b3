import { type Program, type Scope, type Step, scopesOf } from '#core/plan/program.ts';
import { topological, visibleEdges } from './reduce.ts';

/**
 * A program as lines for a terminal, a step a line, drawn like a version history: a lane is an edge
 * that still waits for its step. Of two steps below each other, the first leads to the second where a line
 * is between them, and only there. Containers are indented below their step. Lines are as long as they need
 * to be and never wrapped here.
 */
export function drawText(program: Program): string {
  const lines = [`${program.workflowId} ${program.version}`];
  drawScope(program.root, '', lines);
  return `${lines.join('\n')}\n`;
}

function drawScope(scope: Scope, indent: string, lines: string[]): void {
  const targets = new Map<number, number[]>();
  for (const [from, to] of visibleEdges(scope)) {
    targets.set(from, [...(targets.get(from) ?? []), to]);
  }
  const order = new Map(topological(scope).map((step, i) => [step.index, i]));
  // lanes[i]: the position of the step that lane i leads to; null: free.
  const lanes: (number | null)[] = [];
  /** The column of the step in the line above; null: something else is there. */
  let above: number | null = null;

  for (const step of topological(scope)) {
    const incoming = lanes.flatMap((to, lane) => (to === step.index ? [lane] : []));
    const column = incoming[0] ?? freeLane(lanes);
    const merged = incoming.slice(1);
    if (merged.length > 0) {
      lines.push(indent + bend(lanes, column, merged, '╯'));
      for (const lane of merged) lanes[lane] = null;
      dropFreeTail(lanes);
    } else if (above === column && incoming.includes(column)) {
      lines.push((indent + laneRow(lanes, -1)).trimEnd());
    }
    lanes[column] = step.index;
    lines.push(`${indent}${laneRow(lanes, column)}${label(step)}`);
    const next = [...(targets.get(step.index) ?? [])].sort(
      (a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0),
    );
    lanes[column] = next[0] ?? null;
    const forked = next.slice(1).map((to) => {
      const lane = freeLane(lanes);
      lanes[lane] = to;
      return lane;
    });
    const drawn = lines.length;
    drawInside(step, `${indent}${laneRow(lanes, -1)}`, lines);
    if (forked.length > 0) lines.push(indent + bend(lanes, column, forked, '╮'));
    above = lines.length === drawn ? column : null;
    dropFreeTail(lanes);
  }
}

function drawInside(step: Step, indent: string, lines: string[]): void {
  for (const [key, scope] of scopesOf(step)) {
    lines.push(`${indent}  ${scopeTitle(step, key)}`);
    drawScope(scope, `${indent}    `, lines);
  }
}

function scopeTitle(step: Step, key: string): string {
  if (step.type === 'for_each') return `each item, ${step.concurrency} at once`;
  if (step.type === 'loop') {
    return `${step.negate ? 'until' : 'while'} ${step.test.source.trim()}, at most ${step.maxIterations}`;
  }
  if (step.type === 'branch') {
    const arm = step.cases[Number(key)];
    return arm === undefined ? 'else' : `when ${arm.when.source.trim()}`;
  }
  return 'inside';
}

function label(step: Step): string {
  const notes = [
    step.trigger === 'all_success' ? null : step.trigger,
    step.when === null ? null : `when ${step.when.source.trim()}`,
    step.compensate === null ? null : 'undo',
  ].filter((note) => note !== null);
  return `${step.id}  ${step.type}${notes.length === 0 ? '' : `  (${notes.join(', ')})`}`;
}

function freeLane(lanes: (number | null)[]): number {
  const free = lanes.indexOf(null);
  if (free >= 0) return free;
  lanes.push(null);
  return lanes.length - 1;
}

function dropFreeTail(lanes: (number | null)[]): void {
  while (lanes.length > 0 && lanes.at(-1) === null) lanes.pop();
}

function laneRow(lanes: readonly (number | null)[], column: number): string {
  return lanes.map((to, i) => (i === column ? '● ' : to === null ? '  ' : '│ ')).join('');
}

/** The row in which lanes join `column` (corner `╯`) or leave it (corner `╮`). */
function bend(
  lanes: readonly (number | null)[],
  column: number,
  bent: readonly number[],
  corner: string,
): string {
  const low = Math.min(column, ...bent);
  const high = Math.max(column, ...bent);
  return lanes
    .map((to, i) => {
      const dash = i >= low && i < high ? '─' : ' ';
      if (i === column) return `${column === high ? '┤' : '├'}${dash}`;
      if (bent.includes(i))
        return `${i > column ? (i === high ? corner : middle(corner)) : mirrored(corner)}${dash}`;
      if (to !== null) return `${i > low && i < high ? '┼' : '│'}${dash}`;
      return `${i > low && i < high ? '─' : ' '}${dash}`;
    })
    .join('')
    .trimEnd();
}

function middle(corner: string): string {
  return corner === '╯' ? '┴' : '┬';
}

function mirrored(corner: string): string {
  return corner === '╯' ? '╰' : '╭';
}
