// A server whose vendor is the test: VENDOR_URL answers what the test wants.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { getHeapStatistics } from 'node:v8';
import { defineTool, Failure, serve, type Call } from '@minimcp/runtime';
import * as z from 'zod';

const Credentials = z.object({ api_key: z.string().min(1), private_key: z.string().optional() });
type Credentials = z.infer<typeof Credentials>;

const annotations = { readOnlyHint: true, destructiveHint: false, idempotentHint: true };
const Text = z.object({ text: z.string() });

async function askVendor(call: Call<Credentials>, path: string): Promise<string> {
  const [response] = (await once(get(call.vendorUrl + path, { signal: call.signal }), 'response')) as [IncomingMessage];
  if (response.statusCode === 401) throw new Failure('refused', `the vendor refused ${call.credentials.api_key}`);
  if (response.statusCode === 429) throw new Failure('rate_limited', 'too many requests', 7);
  return text(response);
}

serve({
  name: 'fixture',
  version: '1.2.3',
  credentials: Credentials,
  vendor: {
    variable: 'VENDOR_URL',
    url: 'https://vendor.invalid',
    others: { login: { variable: 'VENDOR_LOGIN_URL', url: 'https://login.invalid/token' } },
  },
  tools: [
    defineTool({
      name: 'echo',
      title: 'Echo',
      description: 'Says what it was told',
      annotations,
      input: Text,
      output: Text,
      run: async ({ text }, _call: Call<Credentials>) => ({ text }),
    }),
    defineTool({
      name: 'ask',
      title: 'Ask',
      description: 'Asks the vendor',
      annotations,
      input: z.object({}),
      output: Text,
      run: async (_args, call: Call<Credentials>) => ({ text: await askVendor(call, '/ask') }),
    }),
    defineTool({
      name: 'heap',
      title: 'Heap',
      description: 'Says how large the heap may grow, in megabytes',
      annotations,
      input: z.object({}),
      output: Text,
      run: async (_args, _call: Call<Credentials>) => ({ text: String(getHeapStatistics().heap_size_limit / 2 ** 20) }),
    }),
    defineTool({
      name: 'builtins',
      title: 'Builtins',
      description: 'Lists what Node has loaded of its own',
      annotations,
      input: z.object({}),
      output: z.object({ modules: z.array(z.string()) }),
      run: async (_args, _call: Call<Credentials>) => ({
        modules: (process as unknown as { moduleLoadList: string[] }).moduleLoadList,
      }),
    }),
    defineTool({
      name: 'addresses',
      title: 'Addresses',
      description: 'Says where the vendor is looked for',
      annotations,
      input: z.object({}),
      output: z.object({ api: z.string(), login: z.string() }),
      run: async (_args, { vendorUrl, vendorUrls }: Call<Credentials>) => ({ api: vendorUrl, login: vendorUrls['login']! }),
    }),
    defineTool({
      name: 'misfit',
      title: 'Misfit',
      description: 'Returns what its schema does not allow',
      annotations,
      input: z.object({}),
      output: Text,
      run: async (_args, _call: Call<Credentials>) => ({ text: 7 as unknown as string }),
    }),
    defineTool({
      name: 'spill',
      title: 'Spill',
      description: 'Logs the credentials in every form, then breaks',
      annotations,
      input: z.object({}),
      output: Text,
      run: async (_args, call: Call<Credentials>) => {
        const { api_key: key } = call.credentials;
        call.secret('issued-later-0123456789');
        call.log.error(`plain ${key}`, {
          deep: { list: [key, `user:${key}`] },
          [key]: 'as a key',
          base64: Buffer.from(`x-access-token:${key}`).toString('base64'),
          url: encodeURIComponent(key),
          key: call.credentials.private_key,
          oneLine: call.credentials.private_key?.split('\n')[1],
          issued: 'issued-later-0123456789',
          header: 'Bearer another-token-1234567890',
        });
        throw new Error(`broken with ${key}`);
      },
    }),
    defineTool({
      name: 'crash',
      title: 'Crash',
      description: 'Throws where nobody catches',
      annotations,
      input: z.object({}),
      output: Text,
      run: async (_args, call: Call<Credentials>) => {
        setImmediate(() => {
          throw new Error(`nobody caught ${call.credentials.api_key}`);
        });
        return { text: 'soon' };
      },
    }),
  ],
  checkCredentials: (call) => askVendor(call, '/check'),
});
