const KIB = 1_024;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const DAY = 24 * 60 * MINUTE;

/**
 * Every number of the language, once. Limits of one expression (source length, depth, result size)
 * are in core/expr/limits.ts, beside the code that counts them.
 */
export const LIMITS = {
  // The document, before anything else looks at it
  documentDepth: 64,
  documentValues: 50_000,
  documentCharacters: 1_000_000,
  /** `{% ... %}` parts of a definition; each costs a quarter of a millisecond to check and compile. */
  documentExpressions: 3_000,
  /** Problems reported in one answer: enough for any author, and a wall against hostile documents. */
  problems: 200,

  // Names and texts
  idCharacters: 40,
  workflowIdCharacters: 63,
  nameCharacters: 200,
  descriptionCharacters: 1_024,
  stepDescriptionCharacters: 1_024,
  labels: 20,
  labelKeyCharacters: 63,
  labelValueCharacters: 128,
  registeredNameCharacters: 128,
  errorNameCharacters: 80,
  urlCharacters: 8_192,
  textCharacters: 8_192,
  headers: 50,
  expectedStatuses: 20,
  assignees: 20,

  // Structure
  stepsPerScope: 100,
  stepsPerWorkflow: 500,
  nesting: 5,
  branchCases: 20,
  forEachItems: 1_000,
  forEachItemsDefault: 100,
  forEachConcurrency: 40,
  forEachConcurrencyDefault: 10,
  loopIterations: 1_000,
  subWorkflowDepth: 5,

  // Time, in milliseconds
  durationMs: 365 * DAY,
  connectorTimeoutMs: 14 * MINUTE,
  connectorTimeoutDefaultMs: 30 * SECOND,
  /** From here on a step counts as slow: a barrier behind it would surprise. */
  slowWaitMs: MINUTE,

  // Starts of a workflow
  concurrency: 100_000,
  starts: 10_000,
  startsPerLeastMs: SECOND,
  startsPerMs: DAY,
  waitingStarts: 10_000,
  priority: 9,

  // Retries
  retryAttempts: 10,
  retryIntervalDefaultMs: 2 * SECOND,
  retryIntervalMs: DAY,
  retryRateDefault: 2,
  retryRate: 10,

  // Sizes, in bytes of canonical JSON
  inputBytes: 64 * KIB,
  outputBytes: 128 * KIB,
  /** What an output must at least be allowed to be: `null`. */
  outputBytesLeast: 4,
  outputBytesDefault: 8 * KIB,
  /** An equal share below this is no use to anybody: the author has to choose. */
  outputBytesShareLeast: 16,
  regionBytes: 240 * KIB,
  workflowBytes: 8 * KIB * KIB,
  ledgerBytes: 32 * KIB,
  recordBytes: 160,
  iterationBytes: 200,
  containerBytes: 64,
  /** What an expression of a compensation is given at least when the ledger is shared out. */
  ledgerExpressionBytes: 16,

  // One execution on the engine (R43 of docs/language.md). Step Functions has a limit of its own
  executionEvents: 100_000,
  executionBytes: 32 * KIB * KIB,

  // JSON Schemas of inputs, which are code that tenants write
  inputSchemaValues: 2_000,
  inputSchemaExpansions: 2_000,
  inputSchemaUniqueItems: 1_000,
  /** Patterns and formats: each costs a millisecond to compile, and more where it names alphabets. */
  inputSchemaPatterns: 200,
  inputSchemaPatternCharacters: 8_192,
  /** Steps of a pattern on a character, for one input: half a second at the worst. */
  inputSchemaWork: 10_000_000,
  /** Parts of a schema times values of an input up to which all problems are looked for. */
  inputSchemaAllProblems: 20_000,

  // Warnings
  costlyCalls: 10_000,
} as const;
