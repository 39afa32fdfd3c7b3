const MAX_MESSAGE = 2_000;
const MAX_FRAMES = 5;

/** What a failed synth says: the sentence, and where in our own files it began. */
export function synthFailure(error: unknown, root: string): string {
  const text = error instanceof Error ? error.message : String(error);
  const message =
    text.length <= MAX_MESSAGE
      ? text
      : `${text.slice(0, MAX_MESSAGE)} ... (${text.length} characters)`;
  const frames = error instanceof Error ? framesOf(error, root) : [];
  return [`the synth failed: ${message}`, ...frames, ''].join('\n');
}

/** `root` is the folder of the repository. */
function framesOf({ stack = '' }: Error, root: string): readonly string[] {
  return stack
    .split('\n')
    .filter((line) => line.startsWith('    at ') && line.includes(root))
    .filter((line) => !line.includes('node_modules'))
    .slice(0, MAX_FRAMES);
}
