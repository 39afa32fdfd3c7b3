import type { EvaluationResult } from '#core/expr/outcome.ts';
import type { EvaluationRequest } from '#ports/evaluator.ts';

// What the pool and its processes say to each other: frames of four bytes of length (big-endian)
// and that many bytes of JSON.

/** The part of a request that a process needs. */
export type Work = Pick<EvaluationRequest, 'expressions' | 'bindings' | 'dialect'>;

export interface WorkMessage {
  readonly id: number;
  /** The first expression to evaluate: those before it were answered, or ended a process. */
  readonly from: number;
  /** Business time for `$now` and `$millis`; null where there is no clock. */
  readonly now: number | null;
  /** Processor time that one expression may take. */
  readonly limitMs: number;
  /** Processor time after which the process goes no further with this work. */
  readonly runMs: number;
  /** Whether an expression under way is given up then, unanswered: another process begins it anew. */
  readonly quick: boolean;
  readonly work: Work;
}

/**
 * The first frame of a process, when it can take work; then one frame per expression, in order, up to
 * the last or to the first that it leaves to another run. Times are of the processor: `cpuMs` what this
 * took, `usedMs` what the process has taken in its life.
 */
export type ProcessMessage = (
  | { readonly ready: true }
  | { readonly id: number; readonly index: number; readonly result: EvaluationResult }
  | { readonly id: number; readonly index: number; readonly unfinished: true }
) & { readonly cpuMs: number; readonly usedMs: number };

/** Input that one request may carry, as JSON. */
export const MAX_INPUT_BYTES = 1_048_576;
/** Larger than any result (256 KiB) in its envelope and with every character escaped. */
export const MAX_REPLY_BYTES = 2_097_152;

const HEADER = 4;

export function encodeFrame(json: string): Buffer {
  const bytes = Buffer.byteLength(json, 'utf8');
  const frame = Buffer.allocUnsafe(HEADER + bytes);
  frame.writeUInt32BE(bytes, 0);
  frame.write(json, HEADER, 'utf8');
  return frame;
}

/**
 * Cuts a stream of chunks into frames. `accept` throws when a frame announces more than `maxBytes`:
 * the other side is then not to be trusted with anything further.
 */
export function createFrameReader(
  maxBytes: number,
  onFrame: (json: string) => void,
): { accept(chunk: Buffer): void } {
  let chunks: Buffer[] = [];
  let held = 0;
  let wanted: number | null = null;
  return {
    accept(chunk) {
      chunks.push(chunk);
      held += chunk.length;
      for (;;) {
        if (held < HEADER) return;
        if (wanted === null) {
          // A chunk list is joined only once its frame is complete, so a large frame costs one copy.
          if ((chunks[0]?.length ?? 0) < HEADER) chunks = [Buffer.concat(chunks)];
          wanted = (chunks[0] as Buffer).readUInt32BE(0);
          if (wanted > maxBytes) throw new RangeError(`a frame of ${wanted} bytes was announced`);
        }
        if (held < HEADER + wanted) return;
        const all = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
        const end = HEADER + wanted;
        const json = all.toString('utf8', HEADER, end);
        held -= end;
        chunks = held === 0 ? [] : [all.subarray(end)];
        wanted = null;
        onFrame(json);
      }
    },
  };
}
