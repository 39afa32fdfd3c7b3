/** What is written down every month of how the platform served. */
import * as Type from 'typebox';
import { indicatorOf } from '#config/indicator.ts';
import { instant } from '#core/execution/bindings.ts';
import { OperationFailure } from '#core/operation-failure.ts';
import { keyOf, overwrite } from './notes.ts';
import { type HomeWorld, operationsOf } from './operation.ts';
import { boundsOf, monthBefore, monthOf } from './service-level.ts';

const operation = operationsOf<HomeWorld>();

export const REPORTS = {
  'service-level.report': operation({
    about: 'writes the share of a month that was served, and what is left of its budget of errors',
    effect: 'note',
    parameters: {
      /** Default: the month that was over last. */
      month: Type.Optional(Type.Union([Type.String({ minLength: 1 }), Type.Null()])),
    },
    async perform({ measures, documents, facts, clock }, { month: given = null }, call) {
      const now = clock.now();
      const month = given ?? monthBefore(now);
      const bounds = boundsOf(month);
      if (bounds === null) {
        throw new OperationFailure('InvalidConfig', `the month is '${month}'; write it as 2026-11`);
      }
      if (bounds.to > now) {
        throw new OperationFailure('InvalidConfig', `${month} is not over`);
      }
      const { all, failed } = indicatorOf(facts.stage);
      const [requests, failures] = [
        await measures.daily(all, bounds.from, bounds.to),
        await measures.daily(failed, bounds.from, bounds.to),
      ];
      const days = [...new Set([...requests.keys(), ...failures.keys()])].sort().map((day) => ({
        day,
        requests: requests.get(day) ?? 0,
        failed: failures.get(day) ?? 0,
      }));
      const report = monthOf(month, days);
      const key = keyOf('service-level', month, now, call);
      await overwrite(documents, key, { at: instant(now), region: facts.region, ...report, days });
      return { key, ...report, said: saidOf(report) };
    },
  }),
} as const;

/** SNS takes a hundred characters of a subject. */
function saidOf({ month, percent, objective, budget, agreed }: ReturnType<typeof monthOf>): string {
  if (percent === null) return `service level of ${month}: nobody asked for anything`;
  const credit = agreed.met === false ? `, credit ${agreed.credit_percent} %` : '';
  const verdict = objective.met === true ? 'met' : 'MISSED';
  return `service level of ${month}: ${percent} %, objective ${verdict}, ${budget.spent_percent} % of the budget spent${credit}`;
}
