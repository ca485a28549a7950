import * as z from 'zod';

/** The address itself. Quoted local parts and comments are left out: nobody writes them. */
const BARE = /^[^\s@<>()[\]\\,;:"\p{Cc}]+@[^\s@<>()[\]\\,;:"\p{Cc}]+$/u;

/** `Name <address>`; the name may be in quotes. */
const NAMED = /^(?<name>[^<>\p{Cc}]*?)\s*<(?<address>[^<>]*)>$/u;

/** One mailbox: `ada@example.com`, `Ada <ada@example.com>` or `"Lovelace, Ada" <ada@example.com>`. */
export const address = z.string().max(1000).refine(isAddress, 'is not an address such as Ada <ada@example.com>');

/** The two halves of an address that passed `address`. */
export function parsedAddress(text: string): { name: string; address: string } {
  const { name = '', address = text } = NAMED.exec(text.trim())?.groups ?? {};
  return { name: name.trim().replace(/^"(.*)"$/, '$1').replace(/\\(.)/g, '$1'), address: address.trim() };
}

function isAddress(text: string): boolean {
  return BARE.test(parsedAddress(text).address) && !/\p{Cc}/u.test(text);
}
