import type { ApiErrorCode } from '#core/errors.ts';

/**
 * What a person is shown whose browser was sent here and got no further: where to go on, and what to tell
 * whoever helps them. Programs get problem details instead, with the same status and code.
 *
 *  W1 nothing of the request is in it, nor what went wrong inside: it is one of a few texts, the code and
 *     the id of the request. So there is nothing to escape, and nobody writes a page in our name;
 *  W2 it loads, runs and sends nothing (the Content-Security-Policy of every answer forbids it besides).
 */
export function failurePage(code: ApiErrorCode, status: number, requestId: string): string {
  const text = TEXTS[code] ?? (status >= 500 ? OURS : THEIRS);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>You are not signed in</title>
</head>
<body>
<h1>You are not signed in</h1>
<p>${text}</p>
<p>If it happens again, tell whoever manages the sign-in of your organisation:</p>
<p><code>${code}</code>, request <code>${requestId}</code></p>
</body>
</html>
`;
}

const THEIRS =
  'This is not how a sign-in begins or comes back. Go to where you wanted to sign in, and begin again there.';
const OURS = 'Something failed here, and not on your side. Try again in a few minutes.';

/** Where the next thing to do is another one. */
const TEXTS: { readonly [Code in ApiErrorCode]?: string } = {
  TOKEN_INVALID:
    'This sign-in has expired, was used already, or began in another browser. Go to where you wanted to sign in, and begin again there.',
  NOT_FOUND:
    'Nobody signs in at this address. Ask whoever manages the sign-in of your organisation for the right one.',
  LOCKED_OUT: 'Too many sign-ins were begun from here. Try again in a quarter of an hour.',
  RATE_LIMITED: 'Too many sign-ins were begun from here. Try again in a minute.',
  IDENTITY_PROVIDER_AWAY:
    'Where your organisation signs in does not answer as it should. Try again in a few minutes.',
};

/** Whether a page is what is wanted most. Browsers say so when they go somewhere; programs do not. */
export function wantsPage(accept: string | undefined): boolean {
  const html = weightOf(accept, ['text/html', 'application/xhtml+xml']);
  return html > weightOf(accept, ['application/problem+json', 'application/json']);
}

/** RFC 9110, 12.4.2: the highest weight of those that are named; wildcards name none. */
function weightOf(accept: string | undefined, types: readonly string[]): number {
  let highest = 0;
  for (const each of accept?.split(',') ?? []) {
    const [type = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase());
    if (!types.includes(type)) continue;
    const q = parameters.find((part) => part.startsWith('q='))?.slice(2) ?? '1';
    if (/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q)) highest = Math.max(highest, Number(q));
  }
  return highest;
}
