import { pointerTokens } from './problems.ts';

/** A place in a text: both from 1, columns in UTF-16 units as editors count them. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * Where the value of a JSON Pointer begins in the text of a document; for a member of an object,
 * where its key begins. A pointer that leads nowhere gives the nearest place that is there. The text
 * need not be valid JSON beyond that place.
 */
export function locate(text: string, pointer: string): Place {
  return placeOf(text, new Finder(text).find(pointerTokens(pointer)));
}

function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - before.lastIndexOf('\n') };
}

/** Walks the text once, over what is not on the way without looking inside. */
class Finder {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  find(tokens: readonly string[]): number {
    this.#skipBlanks();
    let found = this.#at;
    for (const token of tokens) {
      const open = this.#text[this.#at];
      const next =
        open === '{' ? this.#enterMember(token) : open === '[' ? this.#enterItem(token) : null;
      if (next === null) break;
      found = next;
    }
    return Math.min(found, this.#text.length);
  }

  /** Goes to the value of a key; answers where the key begins. The last of equal keys counts. */
  #enterMember(token: string): number | null {
    let key: number | null = null;
    let value = 0;
    this.#at += 1;
    for (this.#skipBlanks(); this.#text[this.#at] === '"'; this.#skipBlanks()) {
      const begins = this.#at;
      this.#skipString();
      const name = unquoted(this.#text.slice(begins, this.#at));
      this.#skipBlanks();
      if (this.#text[this.#at] !== ':') break;
      this.#at += 1;
      this.#skipBlanks();
      if (name === token) {
        key = begins;
        value = this.#at;
      }
      this.#skipValue();
      if (!this.#skipComma()) break;
    }
    this.#at = value;
    return key;
  }

  #enterItem(token: string): number | null {
    const wanted = Number(token);
    this.#at += 1;
    this.#skipBlanks();
    for (let i = 0; this.#at < this.#text.length && this.#text[this.#at] !== ']'; i++) {
      if (i === wanted) return this.#at;
      this.#skipValue();
      if (!this.#skipComma()) return null;
    }
    return null;
  }

  #skipBlanks(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }

  #skipComma(): boolean {
    this.#skipBlanks();
    if (this.#text[this.#at] !== ',') return false;
    this.#at += 1;
    this.#skipBlanks();
    return true;
  }

  #skipString(): void {
    this.#at += 1;
    while (this.#at < this.#text.length && this.#text[this.#at] !== '"') {
      this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    }
    this.#at += 1;
  }

  /** Counts brackets instead of recursing: the text may be nested without end. */
  #skipValue(): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at] ?? '';
      if (char === '"') this.#skipString();
      else if (depth === 0 && ',]}'.includes(char)) return;
      else {
        if ('[{'.includes(char)) depth += 1;
        if (']}'.includes(char)) depth -= 1;
        this.#at += 1;
      }
      if (depth === 0 && '"]}'.includes(this.#text[this.#at - 1] ?? '')) return;
    }
  }
}

function unquoted(literal: string): string {
  try {
    return String(JSON.parse(literal));
  } catch {
    return literal; // a broken key is no key that a pointer could name
  }
}
