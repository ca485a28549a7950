import { Failure, unreachable, type Call } from '@minimcp/runtime';
import type { Credentials } from './credentials.ts';
import { waitSeconds } from './failures.ts';

/** The largest file that is read, in bytes: an agent reads it at once. */
export const MAX_BYTES = 1024 * 1024;

/**
 * The bytes of a file that Slack keeps, at most MAX_BYTES.
 * @param url as Slack gave it; the token is sent only to where Slack lives
 * @throws Failure
 */
export async function download(call: Call<Credentials>, url: string, signal: AbortSignal): Promise<Buffer> {
  if (!isSlacks(url, call.vendorUrl)) throw new Failure('invalid', 'This file is not kept by Slack');
  const authorization = `Bearer ${call.credentials.bot_token}`;
  try {
    const response = await fetch(url, { headers: { authorization }, redirect: 'manual', signal });
    // Slack sends whoever may not read a file to the page where people log in.
    if (response.status >= 300 && response.status < 400) {
      throw new Failure('forbidden', 'Slack does not give this file to the bot; it needs the scope files:read');
    }
    check(response);
    return await bounded(response);
  } catch (error) {
    throw error instanceof Failure ? error : unreachable('Slack', error);
  }
}

/**
 * Hands the bytes of a new file to the address that Slack gave for it; that address is all the authority it takes.
 * @throws Failure
 */
export async function upload(url: string, bytes: Buffer<ArrayBuffer>, signal: AbortSignal): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream' };
  try {
    const response = await fetch(url, { method: 'POST', headers, body: bytes, redirect: 'error', signal });
    await response.arrayBuffer();
    check(response);
  } catch (error) {
    throw error instanceof Failure ? error : unreachable('Slack', error);
  }
}

function check({ status, headers }: Response): void {
  if (status === 429) throw new Failure('rate_limited', 'Slack limits the rate of requests', waitSeconds(headers));
  if (status === 404) throw new Failure('not_found', 'Slack does not have the content of this file');
  if (status !== 200) throw new Failure(status >= 500 ? 'unavailable' : 'forbidden', `Slack did not move the file (${status})`);
}

async function bounded(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of response.body ?? []) {
    total += chunk.length;
    if (total > MAX_BYTES) throw new Failure('invalid', `The file is larger than ${MAX_BYTES} bytes, which is all that is read`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Whether an address is where Slack lives or below it, as files.slack.com is below slack.com. */
function isSlacks(text: string, vendorUrl: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const vendor = new URL(vendorUrl);
  return url.protocol === vendor.protocol && (url.host === vendor.host || url.host.endsWith(`.${vendor.host}`));
}
