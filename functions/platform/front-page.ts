import { createHash } from 'node:crypto';

/**
 * The page of `GET /`, for a person who opens the address of a platform in a browser: what this is, what it
 * says of itself, and how a first workflow is run. It is the same for everybody, and holds nothing but what
 * the platform knows of itself: no tenant's data, nothing of the request.
 */
export interface FrontPage {
  readonly html: string;
  /** What a browser may do with it: show it in its own style. Nothing is loaded, run, framed or sent. */
  readonly policy: string;
}

const STYLE = `
:root { color-scheme: light dark; }
body { margin: 3rem auto; max-width: 46rem; padding: 0 1.25rem; font: 1rem/1.55 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.7rem; }
h2 { margin: 2.2rem 0 .5rem; font-size: 1.1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.2rem; margin: 0; }
dd { margin: 0; }
pre { overflow-x: auto; padding: .8rem 1rem; border: 1px solid #8886; border-radius: .4rem; }
code, pre { font: .875rem/1.5 ui-monospace, monospace; }
@media (max-width: 32rem) { dl { display: block; } dd { margin: 0 0 .6rem; } }
`;

/** A workflow that reaches nothing outside, so that it runs wherever the platform does. */
const DEFINITION = `{
  "workflow_id": "hello",
  "version": "1.0.0",
  "steps": [
    {
      "id": "greet",
      "type": "transform",
      "config": {"value": "{% \\"hello \\" & $input.name %}"}
    }
  ]
}`;

const LINKS = [
  ['/openapi.json', 'every operation, as OpenAPI 3.1'],
  ['/api/v1/schemas/workflow', 'the JSON Schema of definitions, for editors'],
  ['/healthz', 'whether the process answers'],
  ['/readyz', 'whether what it depends on answers'],
] as const;

/** `url`: where the platform is reached from outside, without a slash at its end. */
export function frontPage(url: string): FrontPage {
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>CloudFlow</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>CloudFlow</h1>
<p>This is the API of a CloudFlow platform. It stores workflow definitions, runs them on either of two
runtimes with one meaning, and lets people watch, pause, fix and resume every execution.</p>

<h2>What it says of itself</h2>
<dl>
${LINKS.map(([path, text]) => `<dt><a href="${escaped(url + path)}">${path}</a></dt><dd>${text}</dd>`).join('\n')}
</dl>

<h2>A first workflow</h2>
<p>Say where the platform is, and who you are. <code>npm start</code> prints a key; on a platform of others,
<code>cloudflow keys create</code> makes one for whoever has signed in.</p>
${shell(`export CLOUDFLOW_URL=${url}
export CLOUDFLOW_API_KEY=cfk_test_...`)}
<p>With the command line, in the folder of the project:</p>
${shell(`cat > hello.json <<'END'
${DEFINITION}
END
npx cloudflow run hello.json --input '{"name": "Ada"}'
npx cloudflow --help`)}
<p>Or with curl: store it, start it, and see what became of it.</p>
${shell(`curl -s $CLOUDFLOW_URL/api/v1/workflows \\
  -H "Authorization: Bearer $CLOUDFLOW_API_KEY" -H 'Content-Type: application/json' \\
  -d '${DEFINITION}'
curl -s $CLOUDFLOW_URL/api/v1/workflows/hello/execute \\
  -H "Authorization: Bearer $CLOUDFLOW_API_KEY" -H 'Content-Type: application/json' \\
  -d '{"input": {"name": "Ada"}}'
curl -s $CLOUDFLOW_URL/api/v1/workflows/hello/history \\
  -H "Authorization: Bearer $CLOUDFLOW_API_KEY"`)}
</main>
</body>
</html>
`;
  return { html, policy: POLICY };
}

const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function shell(commands: string): string {
  return `<pre>${escaped(commands)}</pre>`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (found) => `&#${found.charCodeAt(0)};`);
}
