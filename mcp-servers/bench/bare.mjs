// The least an HTTP server in Node can be.
import { createServer } from 'node:http';

createServer((_request, response) => response.end('{"status":"healthy"}')).listen(Number(process.env.PORT), '127.0.0.1');
