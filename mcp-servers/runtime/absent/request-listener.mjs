// Takes the place of @hono/node-server in the bundles. The SDK's Node adapter imports it for a transport that no server
// here uses, and loading it costs a fifth of the start.
export function getRequestListener() {
  throw new Error('This transport is left out of the bundles');
}
