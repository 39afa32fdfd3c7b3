/** What a service of AWS answers instead: the code is its own. */
export class Refusal extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export type Input = Readonly<Record<string, string>>;

export function need(input: Input, name: string): string {
  const value = input[name];
  if (value === undefined) throw new Refusal('MissingParameter', `${name} is missing`);
  return value;
}
