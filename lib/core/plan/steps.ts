import type { ConfigOf } from '#core/dsl/configs.ts';
import type { DraftCompensation, DraftStep, DraftStepOf } from '#core/dsl/draft.ts';
import { durationMs, formatDuration, isInstant } from '#core/dsl/durations.ts';
import { LIMITS } from '#core/dsl/limits.ts';
import { type Problems, shown } from '#core/dsl/problems.ts';
import { didYouMean } from '#core/dsl/validate.ts';
import { STEP_ERRORS, type StepErrorName, stepErrorCode } from '#core/errors.ts';
import { isJsonObject, type Json, pointerTo } from '#core/json.ts';
import type { OutlineStep } from '#core/plan/outline.ts';
import type {
  Compensation,
  ConnectorType,
  Expression,
  RetryPolicy,
  Scope,
  Step,
  StepOf,
  StepType,
  Template,
} from '#core/plan/program.ts';
import type { Readings, View } from '#core/plan/readings.ts';

/** What each step type adds to the envelope, with every default filled in. */

export interface Workshop {
  readonly readings: Readings;
  readonly problems: Problems;
}

type EnvelopeKey =
  | 'type'
  | 'id'
  | 'path'
  | 'no'
  | 'index'
  | 'pointer'
  | 'dependsOn'
  | 'trigger'
  | 'when'
  | 'continueOnFailure'
  | 'maxOutputBytes'
  | 'live'
  | 'slow'
  | 'compensate';

/** The members of a step that are its type's own. Bodies are asked for when all is known of them. */
export type Own<T extends StepType> = Omit<StepOf<T>, EnvelopeKey>;
export type Finish<T extends StepType> = (scope: (key: string) => Scope) => Own<T>;

type Build<T extends StepType> = (step: At<T>, shop: Workshop) => Finish<T>;

interface At<T extends StepType> {
  readonly outline: OutlineStep;
  readonly draft: DraftStepOf<T>;
  /** Missing members are those that were wrong or absent; absent ones are reported already. */
  readonly config: Partial<ConfigOf<T>>;
  /** Of the config. */
  readonly pointer: string;
  readonly view: View;
}

/** Stands where something was wrong. A program with problems is never handed out. */
const NOTHING: Expression = {
  source: 'false',
  steps: [],
  names: [],
  simple: true,
  total: true,
  depth: 1,
};

const BUILD: { readonly [T in StepType]: Build<T> } = {
  http_request: (step, shop) => {
    checkUrl(step.config, step.pointer, shop);
    const config = members(step, shop, ['timeout', 'retry'], { method: 'GET' });
    return always({ config, ...called(step, shop) });
  },
  database_operation: (step, shop) => {
    const config = members(step, shop, ['timeout', 'retry'], { operation: step.outline.id });
    return always({ config, ...called(step, shop) });
  },
  notification: (step, shop) => {
    const config = members(step, shop, ['timeout', 'retry'], {});
    return always({ config, ...called(step, shop) });
  },
  platform_operation: (step, shop) => {
    const config = members(step, shop, ['timeout', 'retry'], {});
    return always({ config, ...called(step, shop) });
  },
  transform: ({ config, pointer, view }, { readings }) =>
    always({ value: readings.template(config.value ?? null, pointerTo(pointer, 'value'), view) }),
  wait: (step, shop) => always(waiting(step, shop)),
  approval: (step, shop) =>
    always({
      config: members(step, shop, ['timeout', 'on_reject'], {}),
      timeoutMs: wholeSeconds(step.config.timeout) ?? LIMITS.durationMs,
      onReject: step.config.on_reject ?? 'fail',
      result: shaped(step, shop),
    }),
  callback: (step, shop) => {
    const { config, pointer } = step;
    const timeoutMs = wholeSeconds(config.timeout) ?? LIMITS.durationMs;
    const heartbeatMs = wholeSeconds(config.heartbeat);
    if (heartbeatMs !== null && heartbeatMs >= timeoutMs) {
      shop.problems.add({
        code: 'E_SCHEMA',
        pointer: pointerTo(pointer, 'heartbeat'),
        message: 'the heartbeat is no shorter than the timeout',
        given: shown(config.heartbeat),
        allowed: `less than ${formatDuration(timeoutMs)}`,
      });
    }
    const request: Partial<NonNullable<typeof config.request>> = config.request ?? {};
    checkUrl(request, pointerTo(pointer, 'request'), shop);
    const whole = { request: { method: 'POST', ...(request as Record<string, Json>) } };
    return always({
      config: shop.readings.template(whole, pointer, step.view),
      timeoutMs,
      heartbeatMs,
      result: shaped(step, shop),
    });
  },
  sub_workflow: (step, shop) =>
    always({
      config: members(step, shop, ['timeout', 'mode'], {}),
      mode: step.config.mode ?? 'wait',
      timeoutMs: wholeSeconds(step.config.timeout),
      result: shaped(step, shop),
    }),
  for_each: ({ config, pointer, view }, { readings, problems }) => {
    const at = pointerTo(pointer, 'items');
    const given = config.items ?? [];
    const maxItems = config.max_items ?? LIMITS.forEachItemsDefault;
    if (Array.isArray(given) && given.length > maxItems) {
      problems.add({
        code: 'E_SCHEMA',
        pointer: at,
        message: 'there are more items than max_items',
        given: `${given.length} items`,
        allowed: `at most ${maxItems}; set max_items (up to ${LIMITS.forEachItems})`,
      });
    }
    const items: Template =
      typeof given === 'string'
        ? { kind: 'expression', expression: readings.expression(given, at, view) ?? NOTHING }
        : readings.template(given as Json, at, view);
    const concurrency = config.concurrency ?? LIMITS.forEachConcurrencyDefault;
    return (scope) => ({ items, concurrency, maxItems, body: scope('body') });
  },
  branch: ({ config, pointer, view }, { readings }) => {
    const tests = (config.cases ?? []).map((arm, i) =>
      readings.expression(
        isJsonObject(arm) ? arm['when'] : undefined,
        pointerTo(pointer, 'cases', i, 'when'),
        view,
      ),
    );
    return (scope) => ({
      cases: tests.map((when, i) => ({ when: when ?? NOTHING, body: scope(String(i)) })),
      otherwise: config.else === undefined ? null : scope('else'),
    });
  },
  loop: ({ config, pointer, view }, { readings }) => {
    const negate = config.while === undefined;
    const at = pointerTo(pointer, negate ? 'until' : 'while');
    const test = readings.expression(config.while ?? config.until, at, { ...view, loop: true });
    const maxIterations = config.max_iterations ?? 1;
    return (scope) => ({ test: test ?? NOTHING, negate, maxIterations, body: scope('body') });
  },
  group: () => (scope) => ({ body: scope('body') }),
  fail: ({ outline, config, pointer, view }, { readings }) =>
    always({
      error: config.error ?? '',
      message: readings.template(
        config.message ?? `step '${outline.path}' failed the workflow`,
        pointerTo(pointer, 'message'),
        view,
      ),
    }),
};

/** Reads what a step does. Null where not even its type is known. */
export function buildStep(outline: OutlineStep, shop: Workshop): Finish<StepType> | null {
  const { draft } = outline;
  if (draft.type === null) return null;
  return buildAs(draft.type, outline, draft, shop);
}

function buildAs<T extends StepType>(
  type: T,
  outline: OutlineStep,
  draft: DraftStep,
  shop: Workshop,
): Finish<StepType> {
  // One cast: a draft's config was read by the schema of its own type (draft.ts).
  const own = draft as unknown as DraftStepOf<T>;
  const pointer = pointerTo(draft.pointer, 'config');
  const finish = BUILD[type](
    { outline, draft: own, config: own.config, pointer, view: { step: outline } },
    shop,
  );
  return finish as unknown as Finish<StepType>;
}

export function buildCompensation(
  draft: DraftCompensation,
  outline: OutlineStep,
  shop: Workshop,
): Omit<Compensation, 'maxBytes'> {
  const view: View = { step: outline, self: true };
  const { type, config, pointer } = draft;
  const { timeout, ...rest } = config;
  const given = rest as Record<string, Json>;
  if (type === 'http_request') checkUrl(config, pointer, shop);
  const whole: Json = type === 'http_request' ? { method: 'GET', ...given } : given;
  return {
    type,
    config: shop.readings.template(whole, pointer, view),
    timeoutMs:
      durationMs(timeout) ?? (type === 'sub_workflow' ? null : LIMITS.connectorTimeoutDefaultMs),
  };
}

function always<T extends StepType>(own: Own<T>): Finish<T> {
  return () => own;
}

/** The config as one template: without what the platform keeps (rule 42), with what is left out. */
function members<T extends StepType>(
  { config, pointer, view }: At<T>,
  { readings }: Workshop,
  kept: readonly string[],
  defaults: { readonly [key: string]: Json },
): Template {
  const given = Object.entries(config as Record<string, Json>).filter(
    ([key]) => !kept.includes(key),
  );
  return readings.template({ ...defaults, ...Object.fromEntries(given) }, pointer, view);
}

function shaped<T extends StepType>({ outline, draft }: At<T>, { readings }: Workshop) {
  return readings.expression(draft.fields.result, pointerTo(draft.pointer, 'result'), {
    step: outline,
    result: true,
  });
}

function called<T extends ConnectorType>(step: At<T>, shop: Workshop) {
  const config: Partial<ConfigOf<'http_request'>> = step.config;
  return {
    timeoutMs: durationMs(config.timeout) ?? LIMITS.connectorTimeoutDefaultMs,
    retry: retryPolicy(config.retry ?? {}, pointerTo(step.pointer, 'retry'), shop),
    result: shaped(step, shop),
  };
}

function retryPolicy(
  retry: NonNullable<ConfigOf<'http_request'>['retry']>,
  pointer: string,
  { problems }: Workshop,
): RetryPolicy {
  const fixed = retry.backoff === 'fixed';
  for (const key of ['interval', 'max_interval'] as const) {
    if ((durationMs(retry[key]) ?? 0) % 1_000 !== 0) {
      problems.add({
        code: 'E_SCHEMA',
        pointer: pointerTo(pointer, key),
        message: 'delays between attempts are whole seconds on both runtimes',
        given: shown(retry[key]),
        allowed: "whole seconds, such as '2s'",
      });
    }
  }
  for (const key of ['rate', 'max_interval'] as const) {
    if (fixed && retry[key] !== undefined) {
      problems.add({
        code: 'E_SCHEMA',
        pointer: pointerTo(pointer, key),
        message: `'${key}' has no meaning when backoff is fixed`,
        given: shown(retry[key]),
        allowed: `'${key}' with backoff exponential`,
      });
    }
  }
  const retryOn = retry.retry_on?.map((name, i) =>
    retriedName(name, pointerTo(pointer, 'retry_on', i), problems),
  );
  return {
    maxAttempts: retry.max_attempts ?? 0,
    intervalMs: durationMs(retry.interval) ?? LIMITS.retryIntervalDefaultMs,
    rate: fixed ? 1 : (retry.rate ?? LIMITS.retryRateDefault),
    maxIntervalMs: fixed ? null : durationMs(retry.max_interval),
    retryOn: retryOn === undefined ? null : [...new Set(retryOn)],
  };
}

/** Names that the catalogue has but that no attempt ends with, or that would end alike again. */
const NEVER_RETRIED: readonly StepErrorName[] = [
  'OutputTooLarge',
  'ExpressionError',
  'TooManyItems',
  'IterationFailed',
  'ArmFailed',
  'GroupFailed',
  'LoopLimitExceeded',
  'SubWorkflowFailed',
  'ApprovalRejected',
  'CallbackFailed',
  'Cancelled',
  'WorkflowTimeout',
  'CompensationFailed',
  'QuotaExceeded',
  'Internal',
];

const RETRIED: readonly string[] = (Object.keys(STEP_ERRORS) as StepErrorName[]).filter(
  (name) => !NEVER_RETRIED.includes(name),
);

function retriedName(given: unknown, pointer: string, problems: Problems): string {
  if (typeof given !== 'string') return '';
  const name = given.startsWith('CloudFlow.') ? given.slice('CloudFlow.'.length) : given;
  if (!RETRIED.includes(name)) {
    const known = Object.hasOwn(STEP_ERRORS, name);
    problems.add({
      code: 'E_RETRY_ON_NAME',
      pointer,
      message: known
        ? `'${given}' is never retried: another attempt would not change it`
        : `no call fails with '${given}'${didYouMean(name, RETRIED)}`,
      given,
      allowed: RETRIED.join(', '),
    });
  }
  return stepErrorCode(name as StepErrorName);
}

function waiting(
  { config, pointer, view }: At<'wait'>,
  { readings, problems }: Workshop,
): Own<'wait'> {
  const at = pointerTo(pointer, config.duration === undefined ? 'until' : 'duration');
  const { duration, until } = config;
  if (typeof duration === 'number')
    return { duration: { kind: 'literal', value: duration }, until: null };
  if (duration !== undefined) {
    if (duration.includes('{%')) {
      const expression = readings.expression(duration, at, view) ?? NOTHING;
      return { duration: { kind: 'expression', expression }, until: null };
    }
    const ms = durationMs(duration);
    if (ms === null || ms < 1 || ms > LIMITS.durationMs) {
      problems.add({
        code: 'E_SCHEMA',
        pointer: at,
        message: ms === null ? 'the text is no duration' : 'the duration is out of range',
        given: shown(duration),
        allowed: `1 ms to ${formatDuration(LIMITS.durationMs)}: milliseconds, or a text such as '30s', '2h' or '7d'`,
      });
    }
    return { duration: { kind: 'literal', value: ms ?? 1 }, until: null };
  }
  if (until === undefined) return { duration: { kind: 'literal', value: 1 }, until: null };
  const instant = readings.template(until, at, view);
  if (instant.kind === 'literal' && !until.includes('{%') && !isInstant(until)) {
    problems.add({
      code: 'E_SCHEMA',
      pointer: at,
      message: 'the text is no instant',
      given: shown(until),
      allowed: "RFC 3339 with a zone, such as '2026-03-01T09:00:00Z'",
    });
  }
  return { duration: null, until: instant };
}

/** What a person or another system is waited for: rounded up to seconds, as for `wait`. */
function wholeSeconds(duration: Parameters<typeof durationMs>[0]): number | null {
  const ms = durationMs(duration);
  return ms === null ? null : Math.ceil(ms / 1_000) * 1_000;
}

/** A fixed beginning of a URL can be judged now; what expressions add is judged when it is called. */
function checkUrl(
  { url, connection }: { readonly url?: string; readonly connection?: string },
  pointer: string,
  { problems }: Workshop,
): void {
  if (url === undefined || url.startsWith('{%') || connection !== undefined) return;
  if (/^https?:\/\/[^/?#\\]*@/iu.test(url.split('{%', 1)[0] ?? '')) {
    // What was given is not repeated: it may hold a password.
    problems.add({
      code: 'E_SCHEMA',
      pointer: pointerTo(pointer, 'url'),
      message: 'the URL holds a user name or password',
      allowed: "credentials of a 'connection', which are kept as secrets",
    });
    return;
  }
  if (/^https?:\/\/[^\s/?#]/iu.test(url)) return;
  problems.add({
    code: 'E_SCHEMA',
    pointer: pointerTo(pointer, 'url'),
    message: 'the URL is not absolute',
    given: shown(url),
    allowed: "'https://...' or 'http://...', or a path beside 'connection'",
  });
}

/** One cast for the whole house: envelope and own members of the same type make that step. */
export function assembled(envelope: Pick<Step, EnvelopeKey>, own: Own<StepType>): Step {
  return { ...envelope, ...own } as unknown as Step;
}
