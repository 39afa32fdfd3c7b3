import { afterEach, describe, expect, it } from 'vitest';
import { createDefinitionChecks } from '#adapters/local/definition-checks.ts';
import { createThreadedChecks, type ThreadedChecks } from '#local/threaded-checks.ts';
import type { DefinitionCheck } from '#ports/definition-checks.ts';

/** Many steps with an expression each, some of which read what they do not see. */
function document(steps: number, wrong = false): object {
  return {
    workflow_id: 'many',
    version: '1.0.0',
    output: null,
    steps: Array.from({ length: steps }, (_, i) => ({
      id: `s${i}`,
      type: 'http_request',
      max_output_bytes: 100,
      ...(i === 0 ? {} : { depends_on: [`s${i - 1}`] }),
      config: {
        url: 'https://example.com',
        body: `{% $steps.s${wrong ? i + 1 : Math.max(0, i - 1)}.status & "${i}" %}`.replace(
          /\$steps\.s0\.status/,
          '$input.first',
        ),
      },
    })),
  };
}
const asked = (of: object, more: Partial<DefinitionCheck> = {}): DefinitionCheck => ({
  tenant: 'a',
  document: of,
  preferred: 'engine',
  children: null,
  ...more,
});

describe('definitions checked beside the event loop', () => {
  let checks: ThreadedChecks;
  const open = (entry?: URL): ThreadedChecks => {
    checks = createThreadedChecks(entry);
    return checks;
  };
  afterEach(() => checks.close());

  it('says of a large definition what the check in the own thread says', async () => {
    const { check } = open();
    const here = createDefinitionChecks();
    for (const request of [
      asked(document(90)),
      asked(document(90, true)),
      asked(document(90), { preferred: 'step_functions', children: new Map([['x', null]]) }),
    ]) {
      expect(await check(request)).toEqual(await here.check(request));
    }
    expect(checks.threaded).toBe(3);
  });

  it('leaves the event loop its turns meanwhile', async () => {
    open();
    await checks.check(asked(document(90))); // the thread is up
    let turns = 0;
    let checking = true;
    const turn = (): void => {
      turns += 1;
      if (checking) setImmediate(turn);
    };
    setImmediate(turn);
    await checks.check(asked(document(99)));
    checking = false;
    expect(turns).toBeGreaterThan(20);
  });

  it('checks a small one at once', async () => {
    open();
    expect(await checks.check(asked(document(5)))).toMatchObject({ ok: true });
    expect(await checks.check(asked({ not: 'a definition' }))).toMatchObject({ ok: false });
    expect(checks.threaded).toBe(0);
  });

  it('lets tenants take turns, and refuses what would wait too long', async () => {
    open();
    const order: string[] = [];
    const ask = (tenant: string) =>
      checks.check(asked(document(60), { tenant })).then(() => order.push(tenant));
    const first = [1, 2, 3, 4].map(() => ask('a'));
    await Promise.all([...first, ask('b')]);
    expect(order.indexOf('b')).toBeLessThan(3);
    const many = Array.from({ length: 30 }, () => ask('a').catch((error) => error.code as string));
    expect(await Promise.all(many)).toContain('UNAVAILABLE');
  });

  it('answers a check whose thread dies, and the next one all the same', async () => {
    const dies =
      "import { parentPort } from 'node:worker_threads'; parentPort.on('message', ({ id, request }) => { if (request.document.steps.length > 80) process.exit(1); parentPort.postMessage({ id, checked: { ok: false, problems: [], warnings: [] } }); });";
    open(new URL(`data:text/javascript,${encodeURIComponent(dies)}`));
    await expect(checks.check(asked(document(90)))).rejects.toThrow('has ended');
    expect(await checks.check(asked(document(60)))).toMatchObject({ ok: false });
    await checks.close();
    await expect(checks.check(asked(document(60)))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
