import { Failure, type Call } from '@minimcp/runtime';
import { send, type RestAnswer, type RestVendor } from '@minimcp/runtime/rest';
import type { Credentials } from './credentials.ts';
import { rateLimited } from './failures.ts';

/** The largest file that is read, in bytes: an agent reads it at once. */
export const MAX_BYTES = 1024 * 1024;

const FILES: RestVendor = {
  name: 'Slack',
  userAgent: 'minimcp-slack/0.1.0',
  maxBytes: MAX_BYTES,
  narrower: 'only smaller files are read',
};

/**
 * The bytes of a file that Slack keeps, at most MAX_BYTES.
 * @param url as Slack gave it; the token is sent only to where Slack lives
 * @throws Failure
 */
export async function download(call: Call<Credentials>, url: string): Promise<Buffer> {
  if (!isSlacks(url, call.vendorUrl)) throw new Failure('invalid', 'This file is not kept by Slack');
  const headers = { authorization: `Bearer ${call.credentials.bot_token}`, accept: '*/*' };
  const answer = await send(FILES, { url, headers }, call);
  // Slack sends whoever may not read a file to the page where people log in.
  if (answer.status >= 300 && answer.status < 400) {
    throw new Failure('forbidden', 'Slack does not give this file to the bot; it needs the scope files:read');
  }
  check(answer);
  return answer.bytes;
}

/**
 * Hands the bytes of a new file to the address that Slack gave for it; that address is all the authority it takes.
 * @throws Failure
 */
export async function upload(call: Call<Credentials>, url: string, bytes: Buffer): Promise<void> {
  check(await send(FILES, { method: 'POST', url, bytes }, call));
}

function check({ status, headers }: RestAnswer): void {
  if (status === 429) throw rateLimited(headers);
  if (status === 404) throw new Failure('not_found', 'Slack does not have the content of this file');
  if (status !== 200) throw new Failure(status >= 500 ? 'unavailable' : 'forbidden', `Slack did not move the file (${status})`);
}

/** Whether an address is where Slack lives or below it, as files.slack.com is below slack.com. */
function isSlacks(text: string, vendorUrl: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const vendor = new URL(vendorUrl);
  return url.protocol === vendor.protocol && (url.host === vendor.host || url.host.endsWith(`.${vendor.host}`));
}
