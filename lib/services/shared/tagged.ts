/** An answer with the strong ETag of what it shows. */
export interface Tagged<T> {
  readonly etag: string;
  readonly body: T;
}
