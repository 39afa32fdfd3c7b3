import { whyUnanswered } from '#adapters/http/answers.ts';
import { readEnv } from '#config/env.ts';
import { invoked } from '../shared/invoked.ts';
import { createBasics } from '../shared/process.ts';
import { createProbe } from './probe.ts';

const env = readEnv('probe', process.env);
const basics = createBasics('probe', env);

/** Asks for a minute whether the API answers at all: what needs no database says so, too. */
export const handler = invoked(
  basics,
  createProbe({ ...basics, url: `${env.PUBLIC_URL}/healthz`, whyUnanswered }),
);
