import type { Problem } from '#core/errors.ts';
import { isJsonObject, pointerTo } from '#core/json.ts';
import { type Author, type CompensationType, type StepType, TYPES_OF } from '#core/plan/program.ts';
import {
  COMPENSATIONS,
  CONFIGS,
  type CompensationConfigOf,
  type ConfigOf,
  RESULT_TYPES,
  STEP_TYPE_TITLES,
  UNCOMPENSATED_TYPES,
} from './configs.ts';
import { checkInputSchema } from './input-schema.ts';
import { LIMITS } from './limits.ts';
import { type Problems, quoted, shown } from './problems.ts';
import {
  STEP_ENVELOPES,
  type StepDefinitionOf,
  type WorkflowDefinition,
  WorkflowEnvelope,
} from './schema.ts';
import { didYouMean, validatePiece } from './validate.ts';
import { checkWalls } from './walls.ts';

/**
 * A draft is a document of which everything that has the right shape has been read, and the rest
 * has been left out and reported. Checks of meaning run over the draft, so that one answer holds
 * all that is wrong. Where the problems are none, the draft is the definition.
 */
export interface DraftWorkflow {
  readonly fields: Partial<Omit<WorkflowDefinition, 'steps'>>;
  readonly root: DraftScope;
}

export interface DraftScope {
  /** Of the list of steps. */
  readonly pointer: string;
  readonly steps: readonly DraftStep[];
}

type Envelope = Partial<Omit<StepDefinitionOf<StepType>, 'type' | 'config' | 'compensate'>>;

export interface DraftStepOf<T extends StepType> {
  readonly type: T;
  readonly id: string | null;
  readonly pointer: string;
  readonly fields: Envelope;
  readonly config: Partial<ConfigOf<T>>;
  readonly compensate: DraftCompensation | null;
  /** Lists of steps inside, by the key of `scopesOf`: `body`, or `0`, `1`, ..., `else`. */
  readonly scopes: ReadonlyMap<string, DraftScope>;
}

/** By type, or a step whose type is not known: of it only the envelope has been read. */
export type DraftStep =
  | { [T in StepType]: DraftStepOf<T> }[StepType]
  | (Omit<DraftStepOf<'group'>, 'type'> & { readonly type: null });

export type DraftCompensation = {
  [T in CompensationType]: {
    readonly type: T;
    readonly config: Partial<CompensationConfigOf<T>>;
    readonly pointer: string;
  };
}[CompensationType];

type Fields = Readonly<Record<string, unknown>>;

/** Reads a document of this author. Null: nothing in it can be looked at further. */
export function readDraft(
  document: unknown,
  problems: Problems,
  author: Author = 'tenant',
): DraftWorkflow | null {
  const walls = checkWalls(document);
  problems.add(...walls.problems);
  if (walls.fatal) return null;
  if (!isJsonObject(document)) {
    problems.add({
      code: 'E_SCHEMA',
      pointer: '',
      message: 'a definition is an object',
      given: shown(document),
      allowed: '{ workflow_id, version, steps }',
    });
    return null;
  }
  const { problems: found, sound } = validatePiece(WorkflowEnvelope, document, '');
  problems.add(...found);
  // The sound part of a piece has the shape of its schema, less what was missing or taken away.
  const fields = sound as DraftWorkflow['fields'];
  if (fields.input_schema !== undefined) {
    problems.add(...checkInputSchema(fields.input_schema, '/input_schema'));
  }
  const reader = new DraftReader(problems, author);
  return { fields, root: reader.readScope(sound['steps'], '/steps', 0) };
}

class DraftReader {
  readonly #problems: Problems;
  readonly #author: Author;
  #steps = 0;

  constructor(problems: Problems, author: Author) {
    this.#problems = problems;
    this.#author = author;
  }

  readScope(list: unknown, pointer: string, nesting: number): DraftScope {
    const steps: DraftStep[] = [];
    if (!Array.isArray(list)) return { pointer, steps };
    if (nesting > LIMITS.nesting) {
      this.#problems.add({
        code: 'E_SCHEMA',
        pointer,
        message: 'containers are nested too deeply',
        given: `${nesting} levels`,
        allowed: `at most ${LIMITS.nesting} levels; a sub_workflow goes on`,
      });
      return { pointer, steps };
    }
    const items = list.slice(0, LIMITS.stepsPerScope);
    const before = this.#steps;
    this.#steps += items.length;
    if (before <= LIMITS.stepsPerWorkflow && this.#steps > LIMITS.stepsPerWorkflow) {
      this.#problems.add({
        code: 'E_SCHEMA',
        pointer,
        message: 'the workflow has too many steps in all',
        allowed: `at most ${LIMITS.stepsPerWorkflow} steps, those in containers included`,
      });
    }
    if (this.#steps > LIMITS.stepsPerWorkflow) return { pointer, steps };
    for (const [i, item] of items.entries()) {
      const at = pointerTo(pointer, i);
      if (isJsonObject(item)) steps.push(this.#readStep(item, at, nesting));
      else {
        this.#problems.add({
          code: 'E_SCHEMA',
          pointer: at,
          message: 'a step is an object',
          given: shown(item),
          allowed: '{ id, type, ... }',
        });
      }
    }
    return { pointer, steps };
  }

  #readStep(item: Fields, pointer: string, nesting: number): DraftStep {
    const { problems, sound } = validatePiece(STEP_ENVELOPES[this.#author], item, pointer);
    const { steps: types, compensations } = TYPES_OF[this.#author];
    this.#problems.add(...problems.map((problem) => sharpened(problem, pointer, item, types)));
    const { id, type, config, compensate, ...rest } = sound;
    const common = {
      id: typeof id === 'string' ? id : null,
      pointer,
      fields: rest as Envelope,
      scopes: new Map<string, DraftScope>(),
    };
    if (!isOneOf(type, types)) return { ...common, type: null, config: {}, compensate: null };

    this.#checkPlace('result', item, pointer, type, RESULT_TYPES);
    const { problems: found, sound: read } = this.#readConfig(type, item, config, pointer);
    this.#problems.add(...found);
    const scopes = this.#readBodies(type, read, pointerTo(pointer, 'config'), nesting + 1);
    // One cast: `read` passed the schema of this very type (CONFIGS is keyed by it).
    return {
      ...common,
      type,
      config: read,
      compensate: this.#readCompensation(
        compensate,
        type,
        pointerTo(pointer, 'compensate'),
        compensations,
      ),
      scopes,
    } as DraftStep;
  }

  #checkPlace(
    key: 'result',
    item: Fields,
    pointer: string,
    type: StepType,
    types: readonly StepType[],
  ): void {
    if (!Object.hasOwn(item, key) || types.includes(type)) return;
    const known = TYPES_OF[this.#author].steps;
    this.#problems.add({
      code: 'E_SCHEMA',
      pointer: pointerTo(pointer, key),
      message: `a step of type ${type} has no raw result to shape`,
      allowed: `'${key}' on ${types.filter((each) => known.includes(each)).join(', ')}`,
    });
  }

  #readConfig(type: StepType, item: Fields, config: unknown, pointer: string) {
    if (isJsonObject(config)) {
      return validatePiece(CONFIGS[type], config, pointerTo(pointer, 'config'));
    }
    const none = { problems: [] as readonly Problem[], sound: {} as Fields };
    // There but no object: already said by the envelope.
    if (Object.hasOwn(item, 'config')) return none;
    const checked = validatePiece(CONFIGS[type], {}, pointer);
    if (checked.problems.length === 0) return checked;
    const missing = checked.problems.map(({ message }) => message).join(', ');
    const unbounded = checked.problems.find(({ code }) => code === 'E_LOOP_UNBOUNDED');
    return {
      ...none,
      problems: [
        {
          code: 'E_SCHEMA',
          pointer,
          message: `'config' is missing: in it ${missing}`,
          allowed: `what a ${type} needs`,
        },
        ...(unbounded === undefined ? [] : [unbounded]),
      ],
    };
  }

  #readBodies(type: StepType, config: Fields, pointer: string, nesting: number) {
    const scopes = new Map<string, DraftScope>();
    const read = (key: string, list: unknown, ...tokens: (string | number)[]) => {
      if (list !== undefined) {
        scopes.set(key, this.readScope(list, pointerTo(pointer, ...tokens), nesting));
      }
    };
    if (type === 'branch') {
      const cases: readonly unknown[] = Array.isArray(config['cases']) ? config['cases'] : [];
      for (const [i, arm] of cases.slice(0, LIMITS.branchCases).entries()) {
        if (isJsonObject(arm)) read(String(i), arm['steps'], 'cases', i, 'steps');
      }
      read('else', config['else'], 'else');
    } else if (type === 'for_each' || type === 'loop' || type === 'group') {
      read('body', config['steps'], 'steps');
    }
    return scopes;
  }

  #readCompensation(
    value: unknown,
    stepType: StepType,
    pointer: string,
    allowed: readonly CompensationType[],
  ): DraftCompensation | null {
    if (!isJsonObject(value)) return null;
    if ((UNCOMPENSATED_TYPES as readonly StepType[]).includes(stepType)) {
      this.#problems.add({
        code: 'E_COMPENSATE_SELF',
        pointer,
        message:
          stepType === 'fail'
            ? 'a fail step never succeeds, so nothing is ever undone'
            : `a ${stepType} cannot be compensated as a whole`,
        allowed: "'compensate' on the steps inside it",
      });
      return null;
    }
    const { type, config } = value;
    if (!isOneOf(type, allowed)) return null;
    const given = isJsonObject(config) ? config : {};
    const { problems, sound } = validatePiece(
      COMPENSATIONS[type],
      given,
      pointerTo(pointer, ...(config === undefined ? [] : ['config'])),
    );
    this.#problems.add(...problems);
    return { type, config: sound, pointer: pointerTo(pointer, 'config') } as DraftCompensation;
  }
}

/** Says more than the schema can: which types there are, and that a name is too long. */
function sharpened(
  problem: Problem,
  pointer: string,
  step: Fields,
  types: readonly StepType[],
): Problem {
  if (problem.pointer === `${pointer}/id` && typeof step['id'] === 'string') {
    if (step['id'].length > LIMITS.idCharacters) {
      return {
        ...problem,
        code: 'E_NAME_LENGTH',
        message: `the id has ${step['id'].length} characters`,
        allowed: `at most ${LIMITS.idCharacters}`,
      };
    }
  }
  if (problem.pointer === `${pointer}/type` && typeof step['type'] === 'string') {
    return {
      ...problem,
      message: `unknown step type${didYouMean(step['type'], types)}`,
      allowed: quoted(types),
    };
  }
  if (problem.pointer === pointer && problem.message === `'type' is missing`) {
    return {
      ...problem,
      allowed: types.map((type) => `${type} (${STEP_TYPE_TITLES[type]})`).join(', '),
    };
  }
  return problem;
}

function isOneOf<T extends string>(value: unknown, types: readonly T[]): value is T {
  return (types as readonly unknown[]).includes(value);
}
