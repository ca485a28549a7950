import type { ServerResponse } from 'node:http';

/** Answers with a JSON-RPC error that belongs to no request. */
export function rpcError(response: ServerResponse, status: number, code: number, message: string): void {
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}
