/**
 * A value that must not be seen. Every way in which a value reaches a log, a message or a document
 * without being asked for (String, JSON, template text, the inspector) yields the same word instead.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself: only where it leaves for the party that it was made for. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}
