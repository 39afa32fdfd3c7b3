import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { alarmsOf } from '#config/alarms/all.ts';
import { standbyAlarmsOf } from '#config/alarms/recovery.ts';
import { bucketNames } from '#config/buckets.ts';
import { dashboardsOf } from '#config/dashboards.ts';
import { CONTAINERS, functionNames } from '#config/functions.ts';
import { noticesOf, standbyNoticesOf } from '#config/notices.ts';
import { platformWorkflowNames } from '#config/platform-workflows.ts';
import { DEAD_TICKS, QUEUES } from '#config/queues.ts';
import { readStageSettings } from '#config/stage-settings.ts';
import { STAGES } from '#config/stages.ts';
import { standbyDashboardsOf } from '#config/standby-dashboard.ts';
import { VARIABLES } from '#config/variables.ts';
import { METHODS, type Method } from '#contract/route.ts';
import { createRouter } from '#contract/router.ts';
import { routes } from '#contract/routes.ts';
import { LOG_EVENTS, LOG_FIELDS } from '#core/log-catalog.ts';
import { createTerminal } from '../bin/output/terminal.ts';
import { createProgram } from '../bin/program.ts';

/**
 * What the documents name is there: pages and headings, files, scripts, commands with their options, routes,
 * functions, logs, alarms, dashboards, variables and codes. What they say of it is for people to read.
 */
const ROOT = join(import.meta.dirname, '..');
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })].sort();
const textOf = (page: string): string => readFileSync(join(ROOT, page), 'utf8');
const settings = STAGES.map((stage) => readStageSettings({ stage, account: undefined }, {}));

/** Everything of ours in one text: what code says somewhere is there. */
const code = globSync('{lib,functions,bin,test,layers}/**/*.{ts,sql,json,Dockerfile,py}', {
  cwd: ROOT,
})
  .concat(globSync('.github/**/*.yml', { cwd: ROOT }), ['package.json', 'cdk.json'])
  .filter((file) => file !== relative(ROOT, import.meta.filename))
  .map((file) => readFileSync(join(ROOT, file), 'utf8'))
  .join('\n');

interface Found {
  readonly page: string;
  readonly what: string;
}

/** What a pattern's first group finds, page by page, once each. */
function found(pattern: RegExp, within: (text: string) => string = (text) => text): Found[] {
  return pages.flatMap((page) =>
    [...new Set([...within(textOf(page)).matchAll(pattern)].map(([, what = '']) => what))].map(
      (what) => ({ page, what }),
    ),
  );
}
const says = ({ page, what }: Found): string => `${page}: ${what}`;
const missing = (all: readonly Found[], isThere: (what: string, page: string) => boolean) =>
  all.filter(({ page, what }) => !isThere(what, page)).map(says);

/** As GitHub makes them. */
function anchorsOf(page: string): readonly string[] {
  return [...textOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) =>
    heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** Within a line of shell, and in words of the text that are set as code. */
const asCode = (text: string): string =>
  [
    ...[...text.matchAll(/^ *```(?:sh|bash)?\n([\s\S]*?)^ *```/gm)].map(([, block = '']) => block),
    ...[...text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/`([^`\n]+)`/g)].map(
      ([, span = '']) => span,
    ),
  ]
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ');

describe('what documents name is there:', () => {
  it('pages, and headings within them', () => {
    const links = found(/\]\(([^)\s]+)\)/g).filter(({ what }) => !/^(?:https?|mailto):/.test(what));
    expect(links.length).toBeGreaterThan(100);
    const broken = missing(links, (link, page) => {
      const [path = '', anchor] = link.split('#');
      const to = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
      if (!existsSync(join(ROOT, to))) return false;
      return anchor === undefined || anchorsOf(to).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('files and folders', () => {
    const paths = found(
      /(?<![\w./-])((?:lib|bin|test|functions|layers|docs|statemachines)\/[\w./*<>{},-]*[\w*/}])/g,
      asCode,
    ).filter(({ what }) => !/[<>]/.test(what));
    expect(paths.length).toBeGreaterThan(80);
    const there = (path: string, page: string): boolean =>
      globSync(path.replace(/\/$/, ''), { cwd: ROOT }).length > 0 ||
      existsSync(join(ROOT, dirname(page), path));
    expect(missing(paths, there)).toEqual([]);
  });

  it('scripts of npm', () => {
    const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
    const named = found(/\bnpm (?:run )?(?:--\w+ )?([a-z][\w:]*)/g, asCode);
    const own = ['ci', 'install', 'run'];
    expect(named.length).toBeGreaterThan(10);
    expect(missing(named, (name) => own.includes(name) || name in scripts)).toEqual([]);
  });

  it('commands of cloudflow, with their options', () => {
    const program = createProgram({
      terminal: createTerminal({ json: false, columns: '100' }),
      misread() {},
      ended() {},
    });
    const problemOf = (line: string): string | null => {
      let command: Command = program;
      const words = line.split(/\s+/);
      while (command.commands.length > 0) {
        const next = command.commands.find((each) => each.name() === words[0]);
        if (next === undefined)
          return command === program || words[0] !== undefined ? 'no such' : null;
        command = next;
        words.shift();
      }
      const known = [...program.options, ...command.options].flatMap(({ long, short }) => [
        long,
        short,
      ]);
      const given = words.flatMap((word) => /^(--?[a-z][\w-]*)/.exec(word)?.[1] ?? []);
      const odd = given.filter((option) => !known.includes(option) && option !== '--help');
      return odd.length === 0 ? null : odd.join();
    };
    // What follows a pipe, a comment or a redirection is not of the command; quoted values are left out.
    const lines = found(/(?:^|npx |\$ )cloudflow ([a-z][^\n|#>;&]*)/gm, (text) =>
      asCode(text).replaceAll(/'[^']*'|"[^"]*"/g, 'X'),
    );
    expect(lines.length).toBeGreaterThan(60);
    const odd = lines.flatMap(({ page, what }) => {
      const problem = problemOf(what.trim());
      return problem === null ? [] : [`${page}: cloudflow ${what.trim()} (${problem})`];
    });
    expect(odd).toEqual([]);
  });

  it('routes of the API', () => {
    const router = createRouter(routes);
    const local = /^\/(?:local|tmp)\//;
    const named = found(
      new RegExp(`\\b((?:${METHODS.join('|')}) /[\\w./{}-]+)`, 'g'),
      asCode,
    ).filter(({ what }) => !local.test(what.split(' ')[1] ?? ''));
    expect(named.length).toBeGreaterThan(100);
    const there = (what: string): boolean => {
      const [method, path = ''] = what.split(' ');
      // Where a page speaks of one part of the API, it leaves out what all paths begin with.
      return ['', '/api/v1'].some(
        (prefix) =>
          router(method as Method, prefix + path.replaceAll(/\{\w+\}/g, 'x1')).kind === 'found',
      );
    };
    expect(missing(named, there)).toEqual([]);
  });

  it('functions, alarms, dashboards and whatever else is called after its stage', () => {
    const names = new Set([
      ...functionNames,
      ...Object.keys(CONTAINERS),
      ...platformWorkflowNames,
      ...bucketNames,
      DEAD_TICKS,
      ...Object.keys(QUEUES).flatMap((queue) => [queue, `${queue}-dead`]),
      ...settings.flatMap((each) => [
        ...[...alarmsOf(each), ...standbyAlarmsOf(each)].map(({ name }) => name),
        ...[...noticesOf(each), ...standbyNoticesOf(each)].map(({ name }) => name),
        ...[...dashboardsOf(each), ...standbyDashboardsOf(each)].map(({ name }) => name),
      ]),
    ]);
    // Made by hand in a runbook, of a name that the runbook gives.
    const made = /^(?:restored|good|damaged|again)(?:-|$)/;
    const inCode = (name: string): boolean =>
      ['}', 'name}', 'cluster}'].some((end) => code.includes(`${end}-${name}`));
    const named = found(/cloudflow-(?:\$\{?STAGE\}?|<stage>|dev|staging|prod)-([a-z][\w-]*\w)/g);
    expect(named.length).toBeGreaterThan(30);
    const there = (name: string): boolean =>
      names.has(name) ||
      made.test(name) ||
      inCode(name) ||
      // With an account, a region or a number behind it.
      /^(.+?)-(?:ACCOUNT|[a-z]{2}-[a-z]+-\d|\d+)$/
        .exec(name)
        ?.slice(1)
        .some((stem) => there(stem)) === true;
    expect(missing(named, there)).toEqual([]);
  });

  it('groups of logs', () => {
    const groups = [...code.matchAll(/[`'](\/(?:cloudflow|aws)\/[^`'\s]*)[`']/g)].map(
      ([, text = '']) => text.replaceAll(/\$\{[^}]*\}/g, '*'),
    );
    const shapes = groups.map(
      (group) => new RegExp(`^${group.replaceAll(/[.]/g, '\\.').replaceAll('*', '[\\w$<>-]+')}$`),
    );
    const tails = found(/\b(?:tail|--log-group-name|log group|Log group)s? `?(\/[\w$<>{}/-]+)/g);
    expect(tails.length).toBeGreaterThan(10);
    const functions = (what: string): boolean => {
      const name = /^\/aws\/lambda\/cloudflow-(?:\$STAGE|<stage>)-(.+)$/.exec(what)?.[1];
      return name === undefined || name === '$NAME' || (functionNames as string[]).includes(name);
    };
    expect(
      missing(tails, (what) => shapes.some((shape) => shape.test(what)) && functions(what)),
    ).toEqual([]);
  });

  it('what filters of logs ask for', () => {
    const fields = new Set([...Object.keys(LOG_FIELDS), 'time', 'level', 'event', 'message']);
    const asked = found(/\$\.(\w+) !?=/g);
    expect(asked.length).toBeGreaterThan(8);
    expect(missing(asked, (field) => fields.has(field))).toEqual([]);
    const events = found(/\bevent !?= ?"(\w+)"/g);
    expect(events.length).toBeGreaterThan(5);
    expect(missing(events, (event) => event in LOG_EVENTS)).toEqual([]);
    // What is called after an event of the log is looked for as one.
    const codes = found(/\$\.code = "(\w+)"/g);
    expect(missing(codes, (word) => !(word in LOG_EVENTS))).toEqual([]);
  });

  it('variables and codes', () => {
    // `$STAGE` and the like are of the reader's own shell, as are words that stand for what they know.
    const own =
      /^(?:STAGE|NAME|REGION|ID|YOU|FILE|DIR|ACCOUNT|OWNER|TEXT|EXECUTION|WORKFLOW|ARN_OF_\w+)$/;
    const ofLinux = ['SCHED_IDLE'];
    const named = found(/(?<![\w$<>{/.-])([A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+)(?![\w-])/g, asCode);
    expect(named.length).toBeGreaterThan(60);
    const there = (name: string): boolean =>
      name in VARIABLES ||
      own.test(name) ||
      ofLinux.includes(name) ||
      new RegExp(`\\b${name}\\b`).test(code);
    expect(missing(named, there)).toEqual([]);
  });
});
