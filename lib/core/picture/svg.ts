import { Graph, layout } from '@dagrejs/dagre';
import { type Program, type Scope, type Step, scopesOf } from '#core/plan/program.ts';
import { visibleEdges } from './reduce.ts';

const BOX = { height: 44, charWidth: 7.4, padding: 28, minWidth: 120 };
const MARGIN = 24;

/** A label for a node, and how the node should look: the console colours statuses, the CLI none. */
export interface SvgOptions {
  /** CSS class by step path, for example the step's status in lower case. */
  readonly classOf?: (step: Step) => string;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Placed {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/**
 * A program as one self-contained SVG: top to bottom, containers as frames around their steps. The
 * text of a definition is hostile: everything written is escaped and nothing is a link or a script.
 */
export function drawSvg(program: Program, options: SvgOptions = {}): string {
  const graph = new Graph({ compound: true, multigraph: false });
  graph.setGraph({ rankdir: 'TB', nodesep: 28, ranksep: 44, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  const steps = new Map<string, Step>();
  addScope(graph, program.root, null, steps);
  layout(graph);

  const { width = 0, height = 0 } = graph.graph() as { width?: number; height?: number };
  const parts: string[] = [];
  for (const id of graph.nodes()) {
    if (graph.children(id)?.length)
      parts.push(frame(graph.node(id) as unknown as Placed, id, steps));
  }
  for (const edge of graph.edges()) {
    const { points: all, between } = graph.edge(edge) as unknown as {
      points: readonly Point[];
      between: readonly [string, string];
    };
    const [from, to] = between.map((id) => graph.node(id) as unknown as Placed) as [Placed, Placed];
    const points = outside(from, outside(to, all).toReversed()).toReversed();
    parts.push(`<path class="edge" d="${pathOf(points)}" marker-end="url(#arrow)"/>`);
  }
  for (const id of graph.nodes()) {
    const step = steps.get(id);
    if (step !== undefined && !graph.children(id)?.length) {
      parts.push(box(graph.node(id) as unknown as Placed, step, options.classOf?.(step) ?? ''));
    }
  }
  const title = escapeXml(`${program.workflowId} ${program.version}`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    STYLE,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#64748b"/></marker></defs>',
    ...parts,
    '</svg>\n',
  ].join('\n');
}

const STYLE = `<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#0f172a}
.type{font-size:11px;fill:#64748b}.box rect{fill:#fff;stroke:#94a3b8;stroke-width:1.2}
.frame rect{fill:#f1f5f9;stroke:#cbd5e1;stroke-dasharray:5 4}.edge{fill:none;stroke:#64748b;stroke-width:1.3}
.success rect{fill:#dcfce7;stroke:#16a34a}.failed rect{fill:#fee2e2;stroke:#dc2626}
.executing rect{fill:#dbeafe;stroke:#2563eb}.skipped rect{fill:#f8fafc;stroke:#cbd5e1;stroke-dasharray:3 3}
</style>`;

function addScope(
  graph: Graph,
  scope: Scope,
  parent: string | null,
  steps: Map<string, Step>,
): void {
  for (const step of scope.steps) {
    steps.set(step.path, step);
    const longest = Math.max(step.id.length, subtitle(step).length * 0.86);
    graph.setNode(step.path, {
      width: Math.max(BOX.minWidth, longest * BOX.charWidth + BOX.padding),
      height: BOX.height,
    });
    if (parent !== null) graph.setParent(step.path, parent);
    for (const [, inner] of scopesOf(step)) addScope(graph, inner, step.path, steps);
  }
  for (const [from, to] of visibleEdges(scope)) {
    const [first, second] = [scope.steps[from] as Step, scope.steps[to] as Step];
    graph.setEdge(innermost(first, 'last'), innermost(second, 'first'), {
      between: [first.path, second.path],
    });
  }
}

/**
 * Layout draws no edge to a frame, so an edge of a container is laid out to a step inside it and cut
 * at the frame: what an arrow reaches is the container, never one arm of a branch.
 */
function innermost(step: Step, side: 'first' | 'last'): string {
  const scope = scopesOf(step)[0]?.[1];
  if (scope === undefined) return step.path;
  const ordered = [...scope.steps].sort((a, b) => a.no - b.no);
  return innermost((side === 'first' ? ordered[0] : ordered.at(-1)) as Step, side);
}

/** The beginning of a line, up to where it enters the rectangle. */
function outside(rect: Placed, points: readonly Point[]): Point[] {
  const left = rect.x - rect.width / 2;
  const top = rect.y - rect.height / 2;
  const inside = ({ x, y }: Point): boolean =>
    x >= left && x <= left + rect.width && y >= top && y <= top + rect.height;
  const entering = points.findIndex(inside);
  const [before, after] = [points[entering - 1], points[entering]];
  if (before === undefined || after === undefined) return [...points];
  // Halving finds the border closer than a picture can show.
  let [out, within] = [before, after];
  for (let step = 0; step < 20; step++) {
    const middle = { x: (out.x + within.x) / 2, y: (out.y + within.y) / 2 };
    if (inside(middle)) within = middle;
    else out = middle;
  }
  return [...points.slice(0, entering), out];
}

function box({ x, y, width, height }: Placed, step: Step, className: string): string {
  const left = round(x - width / 2);
  const top = round(y - height / 2);
  return [
    `<g class="box ${escapeXml(className)}"><rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}" rx="8"/>`,
    `<text x="${round(x)}" y="${round(y - 3)}" text-anchor="middle">${escapeXml(step.id)}</text>`,
    `<text class="type" x="${round(x)}" y="${round(y + 13)}" text-anchor="middle">${escapeXml(subtitle(step))}</text></g>`,
  ].join('');
}

function frame({ x, y, width, height }: Placed, id: string, steps: Map<string, Step>): string {
  const step = steps.get(id);
  const left = round(x - width / 2);
  const top = round(y - height / 2);
  const text = step === undefined ? id : `${step.id} · ${subtitle(step)}`;
  return `<g class="frame"><rect x="${left}" y="${top}" width="${round(width)}" height="${round(height)}" rx="10"/><text class="type" x="${round(left + 10)}" y="${round(top + 15)}">${escapeXml(text)}</text></g>`;
}

function subtitle(step: Step): string {
  const note = step.trigger === 'all_success' ? '' : ` · ${step.trigger}`;
  return `${step.type}${note}${step.when === null ? '' : ' · when'}${step.compensate === null ? '' : ' · undo'}`;
}

function pathOf(points: readonly Point[]): string {
  return points.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${round(x)} ${round(y)}`).join('');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
