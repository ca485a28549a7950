import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { connect, start, text, type Era } from '../../runtime/test/support.ts';
import credentials from './credentials.json' with { type: 'json' };
import { standIn } from './stand-in.ts';

export interface Wishes {
  config?: object;
  env?: Record<string, string>;
  /** The token that the stand-in takes. */
  token?: string;
  era?: Era;
}

/** Runs the real bundle against the stand-in. `call` answers the structured content or throws the error's text. */
export async function figma(t: TestContext, { config = {}, env, token = credentials.api_key, era = 'modern' }: Wishes = {}) {
  const api = await standIn(t, token);
  const CREDENTIALS = JSON.stringify(credentials);
  const server = await start(t, '../figma.cjs', { CREDENTIALS, FIGMA_API_URL: api.url, CONFIG: JSON.stringify(config), ...env });
  const client = await connect(t, server.url, era);
  const call = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    if (result.isError) throw new Error(text(result));
    return result.structuredContent as any;
  };
  const failing = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, true, text(result));
    return text(result);
  };
  return { api, server, client, call, failing };
}
