// The TypeScript SDK v1: node v1.mjs URL TOKEN
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [url, token] = process.argv.slice(2);
const client = new Client({ name: 'v1', version: '1.0.0' });
const headers = { Authorization: `Bearer ${token}` };
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const { tools } = await client.listTools();
const { content } = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), said: content[0].text }));
await client.close();
