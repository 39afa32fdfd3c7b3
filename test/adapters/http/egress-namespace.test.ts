import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { EGRESS_REFUSED } from '#ports/egress.ts';
import { CLIENT_NAMES } from './clients.ts';
import { HOSTILE_HOSTS } from './hostile-addresses.ts';

/** How this machine lets us have a network namespace: as root, or as root of a namespace of our own. */
const UNSHARE = [['-n'], ['-Urn']].find(
  (flags) => spawnSync('unshare', [...flags, 'ip', 'link', 'set', 'lo', 'up']).status === 0,
);

if (UNSHARE === undefined) {
  const why = 'no network namespace can be had here (unshare -n, unshare -Urn, ip)';
  if (process.env['CLOUDFLOW_REQUIRE_SERVICES'] === '1') {
    it('the egress guard is tried against real addresses', () => {
      throw new Error(why);
    });
  } else {
    process.stderr.write(`\nSKIPPING the egress guard against real addresses: ${why}\n\n`);
    it.skip(`the egress guard is tried against real addresses (${why})`, () => undefined);
  }
} else {
  describe.each(CLIENT_NAMES)(
    'the egress guard before %s in a network that is all hostile',
    (client) => {
      interface Report {
        alive: number;
        brokenGuardHits: number;
        publicAnswered: boolean;
        canaryHits: number;
        attempts: number;
        counts: { direct: number; name: number; rebinding: number; redirect: number };
        ended: { [how: string]: number };
        messages: string[];
        pinned: number;
        pinnedExpected: number;
        lookupsPerCall: number;
      }
      let report: Report;

      beforeAll(() => {
        const script = fileURLToPath(new URL('./egress-namespace.ts', import.meta.url));
        const child = spawnSync('unshare', [...UNSHARE, process.execPath, script, client], {
          encoding: 'utf8',
          timeout: 110_000,
          maxBuffer: 16 * 1024 * 1024,
        });
        if (child.status !== 0)
          throw new Error(`the script ended as ${child.status}: ${child.stderr}`);
        report = JSON.parse(child.stdout) as Report;
      });

      it('has canaries that sing', () => {
        expect(report.alive).toBeGreaterThanOrEqual(30);
        expect(report.brokenGuardHits).toBeGreaterThanOrEqual(6);
        expect(report.publicAnswered).toBe(true);
      });

      it('tries each form, directly and behind names, rebinding and redirects', () => {
        expect(report.counts.direct).toBe(HOSTILE_HOSTS.length * 7);
        expect(report.counts.redirect).toBeGreaterThan(HOSTILE_HOSTS.length * 3);
        expect(report.counts.name).toBeGreaterThan(900);
        expect(report.counts.rebinding).toBeGreaterThan(450);
      });

      it('lets nothing through', () => {
        expect(report.canaryHits).toBe(0);
      });

      it('answers only the first call of each rebinding name, from the public address it had then', () => {
        expect(report.pinned).toBe(report.pinnedExpected);
        expect(report.ended['answered']).toBe(report.pinnedExpected);
        expect(report.lookupsPerCall).toBe(1);
      });

      it('says the same of every refused target', () => {
        expect(report.messages).toEqual([`refused: ${EGRESS_REFUSED}`]);
        expect(report.ended).toEqual({
          refused: report.attempts - report.pinnedExpected,
          answered: report.pinnedExpected,
        });
      });
    },
  );
}
