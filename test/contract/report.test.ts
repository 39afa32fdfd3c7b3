import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { routes } from '#contract/routes.ts';
import { createChecks } from '#contract/validate.ts';
import { checkWorkflow } from '#core/check-workflow.ts';
import { type ReportJson, reportJson } from '#core/report-json.ts';

const EXAMPLES = new URL('../../statemachines/examples/', import.meta.url);

function reported(document: unknown): ReportJson {
  const checked = checkWorkflow(document);
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems));
  return reportJson(checked.report);
}

const problemsOf = (report: ReportJson) =>
  createChecks({ validateWorkflow: routes.validateWorkflow })
    .of('validateWorkflow')
    .response?.({ valid: true, problems: [], warnings: [], report });

const approval = (id: string, depends_on: string[]) => ({
  id,
  type: 'approval',
  depends_on,
  config: { assignee: 'x', timeout: '1d' },
});

describe('the report that is answered', () => {
  it.each(readdirSync(EXAMPLES).filter((name) => name.endsWith('.json')))(
    'fits the contract: %s',
    (name) => {
      const report = reported(JSON.parse(readFileSync(new URL(name, EXAMPLES), 'utf8')));
      expect(problemsOf(report)).toEqual([]);
      expect(JSON.stringify(report)).not.toMatch(/"[a-z_]*[A-Z]\w*":/);
    },
  );

  it('fits with barriers and obstacles, and tells its hash apart from the definition', () => {
    const steps = [
      approval('a', []),
      approval('b', []),
      approval('c', ['a']),
      approval('d', ['a', 'b']),
    ];
    const report = reported({ workflow_id: 'w', version: '1.0.0', steps });
    expect(problemsOf(report)).toEqual([]);
    expect(report.barriers[0]).toMatchObject({ slow_pairs: [['b', 'c']] });
    expect(report.choice.obstacles.length).toBeGreaterThan(0);
    expect(report).toMatchObject({ program_hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(report).not.toHaveProperty('hash');
  });
});
