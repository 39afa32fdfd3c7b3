// A process as Lambda makes one: it loads a bundle, then hands it one event after the other.

interface Invocation {
  readonly id: number;
  readonly event: unknown;
}

const send = (message: unknown): void => void process.send?.(message);
const started = performance.now();
try {
  const bundle = (await import(process.argv[2] ?? '')) as {
    readonly handler: (event: unknown) => Promise<unknown>;
  };
  process.on('message', ({ id, event }: Invocation) => {
    bundle.handler(event).then(
      (result) => send({ id, ok: true, result: result ?? null }),
      ({ name, message }: Error) => send({ id, ok: false, error: { name, message } }),
    );
  });
  const kind = typeof bundle.handler;
  send({ loaded: true, kind, version: process.version, milliseconds: performance.now() - started });
} catch (error) {
  send({ loaded: false, message: error instanceof Error ? error.message : String(error) });
  process.disconnect();
}
