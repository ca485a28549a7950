import type { IncomingMessage } from 'node:http';

/**
 * Reads a body to its end.
 * @returns null as soon as it is longer than `maxBytes`, by what it declares or by what arrives; the rest is discarded
 * @throws when the client leaves before the end
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const tooLarge = () => {
      request.off('data', collect).resume();
      resolve(null);
    };
    const collect = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > maxBytes) return tooLarge();
      chunks.push(chunk);
    };
    request.once('error', reject).once('end', () => resolve(Buffer.concat(chunks).toString()));
    if (Number(request.headers['content-length']) > maxBytes) return tooLarge();
    request.on('data', collect);
  });
}
