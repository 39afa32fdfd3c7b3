import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Pool } from 'pg';
import { createCommandedSignals } from '#adapters/postgres/commanded-signals.ts';
import type { EngineControl } from '#ports/engine-control.ts';
import type { Requests } from '#ports/requests.ts';
import type { RuntimeHints } from '#ports/runtime-hints.ts';
import { createEngineControl } from '#services/events/ask-engines.ts';
import type { Basics } from './process.ts';

/** Set by the build: in a bundle what asks over Kafka lies beside it. */
declare const CLOUDFLOW_BUNDLED: boolean | undefined;

type Client = typeof import('./kafka-client.ts');

/** Null: there is no Kafka. What asks is loaded for the first question. `pool`: role `cloudflow_app`. */
export function openEngineControl(
  basics: Basics,
  env: { readonly KAFKA_CLUSTER_ARN: string },
  { pool, hints }: { readonly pool: Pool; readonly hints: RuntimeHints },
): EngineControl | null {
  if (env.KAFKA_CLUSTER_ARN === '') return null;
  let connected: Promise<Requests> | null = null;
  const connect = async (): Promise<Requests> => (await loadClient()).connectRequests(basics, env);
  const requests: Requests = {
    async ask(topic, question) {
      connected ??= connect();
      try {
        return await (await connected).ask(topic, question);
      } catch (error) {
        connected = null;
        basics.log.warn('QUESTION_NOT_ASKED', { topic, error });
        return null;
      }
    },
    async close() {
      await (await connected?.catch(() => null))?.close();
    },
  };
  const signals = createCommandedSignals({ pool, codec: basics.codec });
  return createEngineControl({ ...basics, requests, signals, hints });
}

function loadClient(): Promise<Client> {
  if (typeof CLOUDFLOW_BUNDLED === 'undefined') return import('./kafka-client.ts');
  const file = pathToFileURL(join(import.meta.dirname, 'kafka-client.mjs')).href;
  return import(file) as Promise<Client>;
}
