import { writeFileSync } from 'node:fs';
import { isJsonObject } from '#core/json.ts';
import {
  type DrillReport,
  judge,
  readTimeline,
  SCENARIOS,
  type Timeline,
} from '#services/operations/drill.ts';
import { CliError } from '../cli-error.ts';
import { parseSource, readSource } from '../input.ts';
import { placed } from '../output/problems.ts';
import type { Terminal } from '../output/terminal.ts';

/**
 * `cloudflow drill`: from the instants of a rehearsal, or of a disaster, to what it took, held against the
 * objectives. A report that a workflow of the platform wrote is read as well: its timeline is in it.
 * True when every objective was met.
 */
export async function drill(
  terminal: Terminal,
  path: string,
  options: { readonly out?: string },
): Promise<boolean> {
  const file = readSource(path);
  const value = parseSource(file, 'failed');
  const given = isJsonObject(value) && isJsonObject(value['timeline']) ? value['timeline'] : value;
  const read = readTimeline(given);
  if (!read.ok) {
    throw new CliError('failed', 'INPUT_INVALID', `${file.name} is no timeline`, {
      file,
      problems: read.problems.map((problem) => placed(file, problem)),
    });
  }
  const { timeline } = read;
  const report = judge(timeline);
  const page = pageOf(timeline, report);
  if (options.out !== undefined) {
    try {
      writeFileSync(options.out, page);
    } catch (error) {
      const { message } = error as Error;
      throw new CliError('usage', 'FILE_UNWRITABLE', `cannot write ${options.out}: ${message}`);
    }
  }
  if (terminal.json) terminal.document({ timeline, report });
  else terminal.out(page);
  return report.met;
}

/** The report as a page that is kept: Markdown, the same for the same timeline. */
function pageOf(timeline: Timeline, report: DrillReport): string {
  const { about } = SCENARIOS[timeline.scenario];
  const issues = timeline.issues ?? [];
  const events = timeline.events ?? [];
  return [
    `# ${timeline.title}`,
    '',
    `Scenario: ${about}. ${report.met ? 'Every objective was met.' : 'NOT every objective was met.'}`,
    '',
    '| | measured | allowed | |',
    '|---|---|---|---|',
    ...report.verdicts.map(
      ({ what, seconds, allowed_seconds, met }) =>
        `| ${what} | ${spoken(seconds)} | ${spoken(allowed_seconds)} | ${met ? 'met' : 'MISSED'} |`,
    ),
    '',
    '| instant | |',
    '|---|---|',
    `| failed | ${timeline.failed_at} |`,
    `| detected | ${timeline.detected_at} |`,
    `| recovered | ${timeline.recovered_at} |`,
    `| kept until | ${timeline.last_kept_at ?? 'nothing was lost'} |`,
    ...(events.length === 0
      ? []
      : ['', '## What happened', '', ...events.map(({ at, what }) => `- ${at} ${what}`)]),
    ...(issues.length === 0
      ? []
      : [
          '',
          '## Issues',
          '',
          ...issues.map(({ what, resolved }) => `- [${resolved ? 'x' : ' '}] ${what}`),
        ]),
    '',
  ].join('\n');
}

function spoken(seconds: number): string {
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 3_600), 'h'],
    [Math.floor((whole % 3_600) / 60), 'min'],
    [whole % 60, 's'],
  ] as const;
  const said = parts.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`);
  return said.length === 0 ? '0 s' : said.join(' ');
}
