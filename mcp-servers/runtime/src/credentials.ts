import type * as z from 'zod';
import { EnvironmentError, jsonObject } from './environment.ts';

/** Credentials in the shape a server declares, and every string in them that must not be seen. */
export interface Credentials<C> {
  values: C;
  secrets: string[];
}

/**
 * Reads the credentials once and removes them from `env`, so that no library, child or dump of the environment sees
 * them later. This is the only place that knows how credentials are handed over.
 * @throws EnvironmentError that names the fields and what is wrong, never a value
 */
export function readCredentials<S extends z.ZodType>(schema: S, env: NodeJS.ProcessEnv): Credentials<z.infer<S>> {
  let raw;
  try {
    raw = jsonObject(env, 'CREDENTIALS');
  } finally {
    delete env['CREDENTIALS'];
    delete env['API_KEY'];
  }
  const parsed = schema.safeParse(raw);
  if (!parsed.success) {
    throw new EnvironmentError(
      parsed.error.issues.map((issue) => `${['CREDENTIALS', ...issue.path].join('.')}: ${issue.message}`),
    );
  }
  return { values: parsed.data, secrets: strings(raw) };
}

function strings(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(strings);
  return [];
}
